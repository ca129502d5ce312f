"""Which characters of a text are replaced, and by which action: spans that may overlap -> segments that do not."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

from vtag.decode.overlaps import merge_overlaps
from vtag.redact.actions import ACTIONS, Action, Label
from vtag.types import Span


class Segment(NamedTuple):
    """A stretch of a text, and what is done with it."""

    start: int
    end: int
    label: str
    how: Action


def segments(
    spans: Iterable[Span], own: Sequence[tuple[int, int]], how_of: Callable[[str], Action], keep: Action
) -> list[Segment]:
    """Segments in order that cover every character of every span, and no other.

    Spans that overlap become one, with the label of the most probable; it becomes its label where the others would not
    show the same part of it. What is kept, or stands within one's own placeholders, stays outside of other spans only.
    """
    kept: list[Span] = []
    taken: list[Span] = []
    for span in spans:
        (kept if how_of(span.label).action == "keep" else taken).append(span)
    taken.sort()
    found: list[Segment] = []
    at = 0
    for whole in merge_overlaps(taken):
        hows = set()
        while at < len(taken) and taken[at].start < whole.end:
            hows.add(how_of(taken[at].label))
            at += 1
        how = how_of(whole.label)
        if ACTIONS[how.action].shows and len(hows) > 1:
            how = Label()
        found.append(Segment(whole.start, whole.end, whole.label, how))
    found = _around(found, own, keep)
    if kept:
        others = [(segment.start, segment.end) for segment in found]
        for whole in merge_overlaps(kept):
            met = _met(whole.start, whole.end, others)
            found += [Segment(*part, whole.label, keep) for part in _outside(whole.start, whole.end, met)]
        found.sort(key=lambda segment: segment.start)
    return found


def _around(found: list[Segment], own: Sequence[tuple[int, int]], keep: Action) -> list[Segment]:
    """The segments without the placeholders that they meet, which are kept as a whole."""
    if not own:
        return found
    parts: dict[int, Segment] = {}
    for segment in found:
        met = _met(segment.start, segment.end, own)
        how = Label() if met and ACTIONS[segment.how.action].shows else segment.how
        for start, end in _outside(segment.start, segment.end, met):
            parts[start] = Segment(start, end, segment.label, how)
        for start, end in met:
            parts.setdefault(start, Segment(start, end, segment.label, keep))
    return sorted(parts.values(), key=lambda segment: segment.start)


def _met(start: int, end: int, ranges: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """Those of some ranges, disjoint and in order, that share a character with this one."""
    first = bisect_right(ranges, start, key=itemgetter(1))
    return ranges[first : bisect_left(ranges, end, lo=first, key=itemgetter(0))]


def _outside(start: int, end: int, met: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts of a range that lie in none of those that it meets."""
    edges = [start, *(min(max(edge, start), end) for each in met for edge in each), end]
    return [(low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if low < high]
