"""The most probable labels of a token and types of a span, with their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vtag.decode.scheme import Scheme
from vtag.types import Encoding, Span

OUTSIDE = "O"
# Rows that are sorted at once: bounds memory for models with thousands of labels.
_ROWS = 4096


def most_probable(probabilities: np.ndarray, names: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
    """The k most probable names of each row of float [N, names] with their probabilities, highest first."""
    found: list[list[tuple[str, float]]] = []
    for start in range(0, len(probabilities), _ROWS):
        rows = probabilities[start : start + _ROWS]
        best = np.argsort(-rows, axis=1, kind="stable")[:, :k]
        values = np.take_along_axis(rows, best, axis=1)
        named = [[names[at] for at in row] for row in best.tolist()]
        found += [list(zip(*pair, strict=True)) for pair in zip(named, values.tolist(), strict=True)]
    return found


def span_types(
    encoding: Encoding, probabilities: np.ndarray, spans: Sequence[Span], scheme: Scheme, *, multi_label: bool
) -> tuple[np.ndarray, list[str]]:
    """The probability of each type for each span of a text, float64 [spans, types], and the types' names; "O" is one.

    A type's probability is the sum over its labels (B-PER, I-PER), averaged over the span's tokens.

    probabilities: float32 [T, L] of the text's tokens; multi_label: labels are independent.
    """
    kinds = scheme.span_labels
    names = [OUTSIDE, *kinds]
    of_label = np.array([1 + kinds.index(kind) if kind else 0 for kind in scheme.types])
    columns = [np.flatnonzero(of_label == at) for at in range(len(names))]
    if multi_label or len(scheme.labels) == 1:
        columns[0] = np.flatnonzero(of_label)  # outside: no other label applies
        any_of = [1 - np.prod(1 - probabilities[:, labels], axis=1) for labels in columns]
        any_of[0] = 1 - any_of[0]
    else:
        any_of = [probabilities[:, labels].sum(axis=1) for labels in columns]
    assert encoding.offsets is not None
    ordinary = np.flatnonzero(~encoding.special)
    sums = np.zeros((len(ordinary) + 1, len(names)))
    np.cumsum(np.stack(any_of, axis=1)[ordinary], axis=0, out=sums[1:])
    starts, ends = (encoding.offsets if encoding.characters is None else encoding.characters)[ordinary].T
    first = np.searchsorted(ends, [span.start for span in spans], side="right")
    last = np.maximum(np.searchsorted(starts, [span.end for span in spans], side="left"), first)
    return (sums[last] - sums[first]) / np.maximum(last - first, 1)[:, None], names
