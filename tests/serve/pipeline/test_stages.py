"""Many requests are prepared and finished at once, and each is as if it were alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.serve.protocols.test_vtag import TEXTS
from vtag.errors import VtagError
from vtag.options import BoundOptions, TagOptions
from vtag.serve.http.responses import to_json
from vtag.serve.pipeline.stages import PIECE_SIZE, PIECE_TEXTS, Done, Piece, Tagged, characters, cut, finish, prepare
from vtag.tagger import Batch, Tagger

if TYPE_CHECKING:
    from vtag import LLM

# How texts are tagged, and whether they come split into words.
WAYS = [
    (TagOptions(), False),
    (TagOptions(threshold=0.5), False),
    (TagOptions(ignore_labels=("O", "CITY"), threshold={"*": 0.2, "SURNAME": 0.9}), False),
    (TagOptions("simple"), False),
    (TagOptions("first", stride=8), False),
    (TagOptions(), True),
]
LONG = "\n".join(TEXTS[:60])


def spans(found: Tagged, tagger: Tagger) -> list[bytes]:
    return [to_json([span.to_dict() for span in row]) for row in found.spans]


def pieces_of(options: TagOptions, words: bool, texts: list[Any]) -> Iterator[Piece]:
    bound = BoundOptions(options)  # they fit the demo model
    return cut(texts, list(map(characters, texts)), spans, options=bound, words=words, most=1 << 20)


@given(st.lists(st.text(max_size=PIECE_SIZE // 4), max_size=200))
def test_a_request_is_cut_into_all_of_its_texts_in_order(texts: list[str]) -> None:
    pieces = list(pieces_of(*WAYS[0], texts))
    assert [text for piece in pieces for text in piece.items] == texts
    assert [piece.first for piece in pieces] == [sum(len(p.items) for p in pieces[:at]) for at in range(len(pieces))]
    for piece in pieces:
        assert 1 <= len(piece.items) <= PIECE_TEXTS
        assert len(piece.items) == 1 or sum(map(len, piece.items)) <= PIECE_SIZE


def logits(tagger: Tagger, batch: Batch) -> list[np.ndarray]:
    """Made up, but the same for the same window."""
    return [
        np.random.default_rng(window.ids.tolist()).normal(0, 4, (len(window.ids), len(tagger.id2label))).astype("f4")
        for window in batch.windows
    ]


def test_in_company_each_piece_is_as_if_it_were_alone(llm: LLM) -> None:
    tagger = llm.tagger
    pieces: list[Piece] = []
    for at, (options, words) in enumerate(WAYS * 3):
        texts: list[Any] = [*TEXTS[at : at + 3], LONG[at * 10 :]] if at % 2 else [TEXTS[at], "", LONG]
        pieces += pieces_of(options, words, [text.split() for text in texts] if words else texts)
    batches = [batch for batch in prepare(tagger, pieces) if isinstance(batch, Batch)]
    done = [(piece, batch, logits(tagger, batch)) for piece, batch in zip(pieces, batches, strict=True)]
    for piece, batch, found in zip(pieces, batches, finish(tagger, done), strict=True):
        (alone,) = prepare(tagger, [piece])
        assert isinstance(alone, Batch)
        for window, wanted in zip(batch.windows, alone.windows, strict=True):
            assert window.ids.tolist() == wanted.ids.tolist()
            assert (window.text, window.start, window.end) == (wanted.text, wanted.start, wanted.end)
        assert [found] == finish(tagger, [(piece, alone, logits(tagger, alone))])
        assert isinstance(found, Done)
        assert any(row != b"[]" for row in found.rows)


def test_what_cannot_be_prepared_fails_alone_with_its_own_index(llm: LLM) -> None:
    bad = [*TEXTS[:2], "half a pair \ud83d"]
    pieces = [piece for texts in ([TEXTS[0]], bad, [TEXTS[1]]) for piece in pieces_of(*WAYS[0], texts)]
    first, failed, last = prepare(llm.tagger, pieces)
    assert isinstance(first, Batch)
    assert isinstance(last, Batch)
    assert isinstance(failed, VtagError)
    assert failed.kind == "lone_surrogate"
    assert "text 2" in str(failed)
