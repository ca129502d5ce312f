"""The likeliest labels and types, on numbers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vtag.decode import scheme as schemes
from vtag.decode.top_k import most_probable, span_types
from vtag.types import Encoding, Span

LABELS = ["O", "B-PER", "I-PER", "B-LOC"]
SCHEME = schemes.read(dict(enumerate(LABELS)), None)
TEXT = "Ann Lee in Rome"
OFFSETS = [(0, 0), (0, 3), (4, 7), (8, 10), (11, 13), (13, 15), (0, 0)]
ENCODING = Encoding(
    text=TEXT,
    ids=np.arange(7, dtype=np.int32),
    special=np.array([True, False, False, False, False, False, True]),
    offsets=np.array(OFFSETS, np.int32),
    word_ids=np.array([-1, 0, 1, 2, 3, 3, -1], np.int32),
)
ROWS = np.array(
    [
        [1.0, 0.0, 0.0, 0.0],
        [0.1, 0.6, 0.2, 0.1],
        [0.2, 0.1, 0.7, 0.0],
        [1.0, 0.0, 0.0, 0.0],
        [0.2, 0.0, 0.2, 0.6],
        [0.4, 0.0, 0.2, 0.4],
        [1.0, 0.0, 0.0, 0.0],
    ],
    np.float32,
)
SPANS = [Span(0, 7, "PER", 0.6, "Ann Lee"), Span(11, 15, "LOC", 0.5, "Rome")]


def test_the_likeliest_come_first_with_their_probabilities() -> None:
    assert most_probable(np.array([[0.2, 0.5, 0.3]]), ["a", "b", "c"], 2) == [[("b", 0.5), ("c", 0.3)]]
    assert most_probable(np.array([[0.2, 0.5, 0.3]]), ["a", "b", "c"], 10**30)[0][-1] == ("a", 0.2)
    assert most_probable(np.zeros((0, 3)), ["a", "b", "c"], 2) == []


def test_a_type_is_as_probable_as_its_labels_together_over_the_spans_tokens() -> None:
    found, names = span_types(ENCODING, ROWS, SPANS, SCHEME.types, multi_label=False)
    assert names == ["O", "PER", "LOC"]
    assert found == pytest.approx(np.array([[0.15, 0.8, 0.05], [0.3, 0.2, 0.5]]))


def test_of_labels_that_do_not_exclude_each_other_any_makes_the_type() -> None:
    found, _ = span_types(ENCODING, ROWS, SPANS[1:], SCHEME.types, multi_label=True)
    per, loc = 0.2, 0.5
    outside = (0.8 * 0.4 + 0.8 * 0.6) / 2
    assert found == pytest.approx(np.array([[outside, per, loc]]))


def test_a_text_without_spans_and_a_span_without_tokens_have_their_rows() -> None:
    assert span_types(ENCODING, ROWS, [], SCHEME.types, multi_label=False)[0].shape == (0, 3)
    assert span_types(ENCODING, ROWS, [Span(7, 8, "PER", 0.5, " ")], SCHEME.types, multi_label=False)[0].tolist() == [
        [0] * 3
    ]
