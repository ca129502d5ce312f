"""Span: how it prints, and what it turns into."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vtag.types import Span, Window, make_many, to_hf

SPAN = Span(8, 18, "PER", 0.98765, "John Smith")


def test_it_prints_label_text_place_and_score() -> None:
    assert str(SPAN) == "PER 'John Smith' [8:18] 0.988"


def test_its_repr_makes_it_again_and_leaves_out_what_is_not_filled() -> None:
    full = Span(8, 18, "PER", 0.98765, "John Smith", "john smith", 3, (2, 4))
    assert repr(SPAN) == "Span(start=8, end=18, label='PER', score=0.98765, text='John Smith')"
    assert eval(repr(SPAN)) == SPAN
    assert eval(repr(full)) == full


def test_its_dicts_can_be_written_as_json() -> None:
    span = Span(8, 18, "PER", 0.5, "John Smith", words=(2, 4))
    assert json.loads(json.dumps(span.to_dict())) == {
        "start": 8, "end": 18, "label": "PER", "score": 0.5, "text": "John Smith", "words": [2, 4],
    }  # fmt: skip
    assert "words" not in SPAN.to_dict()
    assert json.loads(json.dumps(SPAN.to_hf()))["entity_group"] == "PER"


def test_hugging_faces_dict_has_its_word_and_for_single_tokens_its_index() -> None:
    token = Span(8, 12, "B-PER", 0.5, "John", "john", 3)
    assert token.to_hf() == {"entity": "B-PER", "score": 0.5, "index": 3, "word": "john", "start": 8, "end": 12}
    assert SPAN.to_hf()["word"] == "John Smith"


def test_its_tuple_is_start_end_label() -> None:
    assert SPAN.to_tuple() == (8, 18, "PER")


def test_spans_sort_in_the_order_of_the_text() -> None:
    rows = [(4, 9, "A", 0.5), (0, 9, "B", 0.1), (0, 3, "B", 0.9), (0, 3, "A", 0.9), (0, 3, "A", 0.2)]
    spans = [Span(*row, text="", word="x") for row in rows] + [Span(*rows[-1], text="", word=None)]
    assert [(span.start, span.end, span.label, span.score) for span in sorted(spans)] == sorted([*rows, rows[-1]])
    assert max(spans).start == 4


def test_what_is_made_together_is_what_is_made_one_by_one() -> None:
    bounds, none = ([0, 4], [3, 9]), [None, None]
    made = make_many(Span, *bounds, ["A", "B"], [0.5, 0.25], ["abc", "defgh"], none, none, [None, (1, 2)])
    assert made == [Span(0, 3, "A", 0.5, "abc"), Span(4, 9, "B", 0.25, "defgh", words=(1, 2))]
    assert type(made[0]) is Span
    assert len(set(made)) == 2
    with pytest.raises(AttributeError):
        made[0].start = 1  # type: ignore[misc]
    (window,) = make_many(Window, [np.arange(3)], [7], [0], [3], [0])
    assert repr(window) == repr(Window(np.arange(3), 7, 0, 3))


def test_results_of_a_text_and_of_many_become_hugging_faces_dicts() -> None:
    assert to_hf([SPAN]) == [SPAN.to_hf()]
    assert to_hf([[SPAN, SPAN], []]) == [[SPAN.to_hf()] * 2, []]
    assert to_hf([]) == []
