"""Which gold spans and which found ones belong together: groups that overlap, and pairs within a group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

# Start, end (exclusive), label; and for a found span its score, None if there is none.
Triple = tuple[int, int, str]
Found = tuple[int, int, str, float | None]


class Pair(NamedTuple):
    """A gold span and the found one that belongs to it; None where there is none."""

    gold: Triple | None
    found: Found | None

    @property
    def kind(self) -> str:
        """right, boundary (same label, other place), type (same place, other label), both (overlaps, other label),
        missed or spurious.
        """
        gold, found = self
        if found is None:
            return "missed"
        if gold is None:
            return "spurious"
        if gold[:2] == found[:2]:
            return "right" if gold[2] == found[2] else "type"
        return "boundary" if gold[2] == found[2] else "both"

    @property
    def side(self) -> str | None:
        """Where the borders of a pair that overlaps differ: left, right or both; None if they do not."""
        gold, found = self
        if gold is None or found is None or gold[:2] == found[:2]:
            return None
        if gold[1] == found[1]:
            return "left"
        return "right" if gold[0] == found[0] else "both"

    @property
    def size(self) -> str | None:
        """Whether a found span at another place is longer, shorter, or as long ("shifted"); None as for `side`."""
        gold, found = self
        if gold is None or found is None or gold[:2] == found[:2]:
            return None
        more = (found[1] - found[0]) - (gold[1] - gold[0])
        return "longer" if more > 0 else "shorter" if more < 0 else "shifted"


def overlap(one: Triple | Found, other: Triple | Found) -> int:
    """How many characters two spans share."""
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def groups(gold: Sequence[Triple], found: Sequence[Found]) -> Iterator[tuple[list[Triple], list[Found]]]:
    """Spans that overlap, directly or by way of others, together. Both sequences are in order."""
    at = 0
    golds: list[Triple] = []
    founds: list[Found] = []
    end = -1
    for span in gold:
        while at < len(found) and found[at] < span:
            if found[at][0] >= end and (golds or founds):
                yield golds, founds
                golds, founds = [], []
            founds.append(found[at])
            end = max(end, found[at][1])
            at += 1
        if span[0] >= end and (golds or founds):
            yield golds, founds
            golds, founds = [], []
        golds.append(span)
        end = max(end, span[1])
    for one in found[at:]:
        if one[0] >= end and (golds or founds):
            yield golds, founds
            golds, founds = [], []
        founds.append(one)
        end = max(end, one[1])
    if golds or founds:
        yield golds, founds


def pairs(gold: Sequence[Triple], found: Sequence[Found]) -> list[Pair]:
    """The spans of a group, one to one: equal ones first, then those at one place, then the largest overlap."""
    if len(gold) == len(found) == 1:
        if overlap(gold[0], found[0]) or gold[0][:2] == found[0][:2]:
            return [Pair(gold[0], found[0])]
        return [Pair(gold[0], None), Pair(None, found[0])]
    near = sorted(
        (
            (one[:3] != span, one[:2] != span[:2], -overlap(span, one), one[2] != span[2], i, j)
            for i, span in enumerate(gold)
            for j, one in enumerate(found)
            if overlap(span, one) or one[:2] == span[:2]
        )
    )
    golds, founds = set(range(len(gold))), set(range(len(found)))
    made: list[Pair] = []
    for *_, i, j in near:
        if i in golds and j in founds:
            golds.discard(i)
            founds.discard(j)
            made.append(Pair(gold[i], found[j]))
    made += [Pair(gold[i], None) for i in sorted(golds)]
    made += [Pair(None, found[j]) for j in sorted(founds)]
    return made
