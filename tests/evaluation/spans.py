"""Random spans for tests."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from vtag.evaluation.overlaps import Found, Triple

LABELS = ("A", "B", "C")
LABEL = st.sampled_from(LABELS)


def apart(chance: random.Random, *, most: int = 6) -> list[Triple]:
    """Spans in order that do not overlap; some touch, some are long."""
    spans: list[Triple] = []
    at = 0
    while len(spans) < most and chance.random() < 0.85:
        start = at + chance.choice((0, 0, 1, 2, 5))
        at = start + chance.choice((1, 1, 2, 3, 150))
        spans.append((start, at, chance.choice(LABELS)))
    return spans


def scored(spans: list[Triple], score: float | None = 0.5) -> list[Found]:
    """The same spans as found ones."""
    return [(*span, score) for span in spans]


# Any spans, overlapping ones too, in order and each once.
triples = st.lists(
    st.tuples(st.integers(0, 12), st.integers(1, 6), st.sampled_from(LABELS)), max_size=6, unique=True
).map(lambda items: sorted({(start, start + size, label) for start, size, label in items}))


@st.composite
def relabelled_spans(draw: st.DrawFn) -> tuple[list[Triple], list[Triple]]:
    """Spans apart from each other, and the same places with other labels, some of them equal."""
    gold, found = [], []
    at = 0
    for gap, size, one, other in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), LABEL, LABEL), max_size=5)
    ):
        at += gap
        gold.append((at, at + size, one))
        found.append((at, at + size, other))
        at += size
    return gold, found


relabelled = relabelled_spans()
