"""Characters of gold spans that no found span covers, whatever its label: what redaction would leave in the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vtag.evaluation.overlaps import Found, Triple


@dataclass(slots=True)
class Characters:
    """Counts over all records, in code points of the evaluated text.

    gold: characters of gold spans. leaked: those of them in no found span. found: characters of found spans. beside:
    those of them in no gold span. records: with gold spans. leaking: of these, with a leaked character.
    """

    gold: int = 0
    leaked: int = 0
    found: int = 0
    beside: int = 0
    records: int = 0
    leaking: int = 0

    def right(self, same: Sequence[Found], *, beside: bool = False) -> None:
        """Add spans of a record that stand where gold spans do, and overlap no others; beside: some came before."""
        size = sum(one[1] - one[0] for one in same)
        self.gold += size
        self.found += size
        self.records += size > 0 and not beside

    def add(self, gold: Sequence[Triple], found: Sequence[Found], *, beside: bool = False) -> None:
        """Add a record, or the rest of one that `right` has counted: `beside`."""
        wanted, covered = union(gold), union(found)
        sizes = _size(wanted), _size(covered)
        shared = _shared(wanted, covered)
        self.gold += sizes[0]
        self.found += sizes[1]
        self.leaked += sizes[0] - shared
        self.beside += sizes[1] - shared
        self.records += sizes[0] > 0 and not beside
        self.leaking += sizes[0] > shared

    @property
    def leak_rate(self) -> float:
        """Share of the gold characters that are leaked; 0 if there are none."""
        return self.leaked / self.gold if self.gold else 0.0


def union(spans: Iterable[Sequence[object]]) -> list[tuple[int, int]]:
    """Ranges that cover what the spans cover, apart from each other; the spans are in order."""
    ranges: list[tuple[int, int]] = []
    for start, end, *_ in spans:
        assert isinstance(start, int)
        assert isinstance(end, int)
        if start >= end:
            continue
        if ranges and start <= ranges[-1][1]:
            ranges[-1] = ranges[-1][0], max(end, ranges[-1][1])
        else:
            ranges.append((start, end))
    return ranges


def _size(ranges: Sequence[tuple[int, int]]) -> int:
    return sum(end - start for start, end in ranges)


def _shared(one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]]) -> int:
    """How many characters both cover."""
    shared = i = j = 0
    while i < len(one) and j < len(other):
        shared += max(0, min(one[i][1], other[j][1]) - max(one[i][0], other[j][0]))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return shared
