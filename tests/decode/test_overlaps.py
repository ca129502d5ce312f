"""Merged spans cover the same characters as before, and no two share one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vtag.decode.overlaps import merge_overlaps
from vtag.types import Span

TEXT = "Zürich 👩‍👩‍👧 and São Paulo"


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    borders = st.tuples(st.integers(0, len(TEXT)), st.integers(0, len(TEXT)))
    pairs = draw(st.lists(borders.map(sorted).filter(lambda pair: pair[0] < pair[1]), max_size=12))
    scores = [draw(st.sampled_from([0.5, 0.7, 0.9])) for _ in pairs]
    labels = [draw(st.sampled_from("ABC")) for _ in pairs]
    return [Span(a, b, label, score, TEXT[a:b]) for (a, b), label, score in zip(pairs, labels, scores, strict=True)]


def covered(some: list[Span]) -> set[int]:
    return {at for span in some for at in range(span.start, span.end)}


@given(spans())
def test_the_same_characters_are_covered_once(before: list[Span]) -> None:
    after = merge_overlaps(before)
    assert covered(after) == covered(before)
    assert sum(span.end - span.start for span in after) == len(covered(before))
    assert after == sorted(after)
    for span in after:
        assert span.text == TEXT[span.start : span.end]
        inside = [one for one in before if span.start <= one.start and one.end <= span.end]
        best = max(sorted(inside), key=lambda one: one.score)
        assert (span.label, span.score) == (best.label, best.score)


@given(spans())
def test_spans_that_do_not_overlap_stay_as_they_are(before: list[Span]) -> None:
    apart = merge_overlaps(before)
    assert merge_overlaps(apart) == apart


def test_neighbours_stay_two() -> None:
    both = [Span(0, 3, "A", 0.9, TEXT[:3]), Span(3, 6, "A", 0.9, TEXT[3:6])]
    assert merge_overlaps(both[::-1]) == both
