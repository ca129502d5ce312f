"""Spans that overlap, as those of multi-label models may, merged for those who replace each span in a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vtag.types import Span


def merge_overlaps(spans: Iterable[Span]) -> list[Span]:
    """Spans of which no two share a character, in order, covering the same characters.

    Spans that overlap become one, with the label and score of the most probable (of equal ones, of the first).
    """
    merged: list[Span] = []
    for span in sorted(spans):
        if not merged or span.start >= merged[-1].end:
            merged.append(span)
            continue
        last = merged[-1]
        best = span if span.score > last.score else last
        text = last.text + span.text[last.end - span.start :]
        merged[-1] = replace(best, start=last.start, end=last.start + len(text), text=text)
    return merged
