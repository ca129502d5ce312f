"""Whether offsets count code points, by where words begin and end: for gold whose spans do not have their texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from vtag.evaluation.overlaps import Triple
from vtag.text.offsets import positions

# Other units in which tools count: bytes of UTF-8, and what JavaScript and Java count in.
OTHERS = ("utf8", "utf16")


class Votes:
    """Collects the evidence of records, and where it was first found."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, tuple[str, int]] = {}

    def add(self, path: str, number: int, text: str, spans: Sequence[Triple]) -> None:
        """Look at a record; once there is evidence for code points, nothing can outweigh it."""
        if self._counts["codepoint"]:
            return
        for unit, count in evidence(text, spans).items():
            self._counts[unit] += count
            if count:
                self._first.setdefault(unit, (path, number))

    def other(self) -> tuple[str, str, int] | None:
        """Another unit, if some evidence is for it and none for code points, and the record that shows it first."""
        if self._counts["codepoint"]:
            return None
        return next(((unit, *self._first[unit]) for unit in OTHERS if self._counts[unit]), None)


def evidence(text: str, spans: Sequence[Triple]) -> dict[str, int]:
    """How many spans begin and end at borders of words only if offsets count code points ("codepoint"), or only if they
    count "utf8" or "utf16" units.
    """
    votes = dict.fromkeys(("codepoint", *OTHERS), 0)
    if text.isascii():
        return votes
    first = next(at for at, character in enumerate(text) if not character.isascii())
    late = [(start, end) for start, end, _ in spans if end > first]
    for unit in OTHERS:
        at = positions(text, unit)
        if at is None or at[-1] == len(text):
            continue
        for start, end in late:
            clean = _clean(text, start, end)
            other = [int(np.searchsorted(at, place)) for place in (start, end)]
            exists = end <= at[-1] and [int(at[place]) for place in other] == [start, end]
            clean_in_unit = exists and _clean(text, *other)
            votes[unit] += clean_in_unit and not clean
            votes["codepoint"] += clean and not clean_in_unit
    return votes


def _clean(text: str, start: int, end: int) -> bool:
    """Whether a span begins and ends between words, and not at white space."""
    if not 0 <= start < end <= len(text) or text[start].isspace() or text[end - 1].isspace():
        return False
    inside = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
    return not inside and not (end < len(text) and text[end - 1].isalnum() and text[end].isalnum())
