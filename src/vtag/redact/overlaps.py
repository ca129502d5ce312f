"""Which characters of a text are replaced, and by which action: spans that may overlap -> segments that do not."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple

from vtag.decode.overlaps import merge_overlaps
from vtag.redact.actions import ACTIONS, Action, Label
from vtag.types import Span

_place = attrgetter("start", "end")


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

    Spans that overlap become one, with the label of the most probable; it becomes its label where another would not
    show the same part of it. What is kept, or stands within one's own placeholders, stays outside of other spans only.
    """
    kept: list[Span] = []
    found: list[Segment] = []
    best = 0.0
    for span in sorted(spans, key=_place):
        how = how_of(span.label)
        if how.action == "keep":
            kept.append(span)
        elif not found or span.start >= found[-1].end:
            found.append(Segment(span.start, span.end, span.label, how))
            best = span.score
        else:
            last = found[-1]
            winner, chosen = (span.label, how) if span.score > best else (last.label, last.how)
            if how != last.how and ACTIONS[chosen.action].shows:
                chosen = Label()
            found[-1] = Segment(last.start, max(last.end, span.end), winner, chosen)
            best = max(best, span.score)
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
