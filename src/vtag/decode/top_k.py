"""The most probable labels of a token and types of a span, with their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vtag.decode.names import OUTSIDE
from vtag.types import Encoding, Span

# Rows that are sorted at once: bounds memory for models with thousands of labels.
_ROWS = 4096


def most_probable(
    probabilities: np.ndarray, names: Sequence[str], k: int, *, multi_label: bool = False
) -> list[list[tuple[str, float]]]:
    """The k most probable names of each row of float [N, labels] with their probabilities, highest first.

    names: of the labels; those of labels that share a name are combined. multi_label: labels are independent.
    """
    probabilities, kinds = _by_name(probabilities, names, multi_label=multi_label)
    found: list[list[tuple[str, float]]] = []
    for start in range(0, len(probabilities), _ROWS):
        rows = probabilities[start : start + _ROWS]
        best = np.argsort(-rows, axis=1, kind="stable")[:, :k]
        values = np.take_along_axis(rows, best, axis=1)
        named = [[kinds[at] for at in row] for row in best.tolist()]
        found += [list(zip(*pair, strict=True)) for pair in zip(named, values.tolist(), strict=True)]
    return found


def span_types(
    encoding: Encoding, probabilities: np.ndarray, spans: Sequence[Span], types: Sequence[str], *, multi_label: bool
) -> tuple[np.ndarray, list[str]]:
    """The probability of each type for each span of a text, float64 [spans, types], and the types' names; "O" is one.

    A type's probability is the sum over its labels (B-PER, I-PER), averaged over the span's tokens.

    probabilities: float32 [T, L] of the text's tokens. types: the type of each label, "" outside.
    multi_label: labels are independent.
    """
    typed = [at for at, name in enumerate(types) if name]
    independent = multi_label or len(types) == 1
    any_of, names = _by_name(probabilities[:, typed], [types[at] for at in typed], multi_label=independent)
    if independent:
        outside = np.prod(1 - probabilities[:, typed], axis=1)
    else:
        outside = probabilities[:, [at for at, name in enumerate(types) if not name]].sum(axis=1)
    assert encoding.offsets is not None
    ordinary = np.flatnonzero(~encoding.special)
    sums = np.zeros((len(ordinary) + 1, 1 + len(names)))
    np.cumsum(np.column_stack([outside, any_of])[ordinary], axis=0, out=sums[1:])
    starts, ends = (encoding.offsets if encoding.characters is None else encoding.characters)[ordinary].T
    first = np.searchsorted(ends, [span.start for span in spans], side="right")
    last = np.maximum(np.searchsorted(starts, [span.end for span in spans], side="left"), first)
    return (sums[last] - sums[first]) / np.maximum(last - first, 1)[:, None], [OUTSIDE, *names]


def _by_name(probabilities: np.ndarray, names: Sequence[str], *, multi_label: bool) -> tuple[np.ndarray, list[str]]:
    """The probability that any label of a name applies, float [N, names], and the names, each once."""
    kinds = list(dict.fromkeys(names))
    if len(kinds) == len(names):
        return probabilities, kinds
    at = np.array([kinds.index(name) for name in names])
    columns = [probabilities[:, at == kind] for kind in range(len(kinds))]
    any_of = [1 - np.prod(1 - of_name, axis=1) if multi_label else of_name.sum(axis=1) for of_name in columns]
    return np.column_stack(any_of), kinds
