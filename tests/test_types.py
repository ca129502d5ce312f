"""Span: how it prints, and what it turns into."""

from __future__ import annotations

import json

from vtag.types import Span

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
