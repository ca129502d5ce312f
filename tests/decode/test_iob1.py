"""Models that open spans with I- are understood, whatever their label names promise, and others are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from vtag.decode import scheme as schemes
from vtag.decode.iob1 import with_begin_labels
from vtag.decode.viterbi import best_paths

IOB2 = schemes.read(dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])))


def chances(labels: list[int], sure: float = 0.98) -> np.ndarray:
    rest = (1 - sure) / 4
    return np.where(np.eye(5)[labels] > 0, sure, rest).astype(np.float32)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ([0, 2, 2, 0, 4, 0], [0, 1, 2, 0, 3, 0]),  # John Smith in Paris
        ([2, 1, 2, 0], [1, 1, 2, 0]),  # IOB1 says B- where two of a type touch
        ([2, 4, 4], [1, 3, 4]),
        ([0, 1, 2, 0, 3, 4], [0, 1, 2, 0, 3, 4]),
    ],
)
def test_spans_open_by_begin_as_the_scheme_wants(said: list[int], meant: list[int]) -> None:
    text = np.zeros(len(said), int)
    changed = with_begin_labels(chances(said), text, IOB2)
    path = best_paths(changed, np.array([len(said)]), IOB2)
    assert path.tolist() == meant
    assert changed[np.arange(len(said)), path].min() > 0.95
    assert np.allclose(changed.sum(axis=1), 1, atol=1e-6)


def test_each_text_is_asked_by_itself() -> None:
    one, other = chances([2, 2, 0]), chances([0, 1, 2])
    text = np.array([0, 0, 0, 2, 2, 2])
    together = with_begin_labels(np.concatenate([one, other]), text, IOB2)
    assert np.array_equal(together[:3], with_begin_labels(one, np.zeros(3, int), IOB2))
    assert np.array_equal(together[3:], other)


@pytest.mark.parametrize("begin", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("persons", [0, 1, 12])
def test_each_type_is_asked_by_itself(persons: int, begin: float) -> None:
    said = chances([1, 2, 0] * persons + [4, 0])
    said[-2, [3, 4]] = begin, 0.95 - begin
    path = best_paths(with_begin_labels(said, np.zeros(len(said), int), IOB2), np.array([len(said)]), IOB2)
    assert path.tolist() == [1, 2, 0] * persons + [3, 0]


def test_a_span_that_goes_on_by_another_type_is_no_evidence() -> None:
    said = chances([1, 4, 0, 1, 2])
    assert with_begin_labels(said, np.zeros(5, int), IOB2) is said


def test_one_slip_of_a_model_that_opens_by_begin_changes_nothing() -> None:
    said = chances([1, 2, 0, 3, 0, 2])
    assert with_begin_labels(said, np.zeros(6, int), IOB2) is said


@pytest.mark.parametrize("labels", [["O", "B-X", "I-X", "E-X", "S-X"], ["O", "B-X"], ["O", "B-X", "I-Y", "I-X"]])
def test_other_schemes_are_left_alone(labels: list[str]) -> None:
    said = np.eye(len(labels), dtype=np.float32)[[0, 1, len(labels) - 1]]
    assert with_begin_labels(said, np.zeros(3, int), schemes.read(dict(enumerate(labels)))) is said
