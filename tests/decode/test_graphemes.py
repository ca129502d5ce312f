"""Spans of the default strategy never cut what readers take for one character, nor a word that the caller gave."""

from __future__ import annotations

import itertools
import unicodedata
from typing import Any

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from tests.decode.schemes import make
from tests.tagging import finish, prepare
from vtag.decode.graphemes import within
from vtag.tagger import Tagger
from vtag.types import Span

NFD = [unicodedata.normalize("NFD", word) for word in ("José", "Zürich", "İstanbul", "한국어", "각", "Ǖ", "ﷺ", "σῴζω")]
EMOJI = ["👩‍👩‍👧", "👍🏽", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🇫🇷", "🇫🇷🇩", "1️⃣", "❤️", "❤️‍🔥", "🧑🏽‍🚀"]
SCRIPTS = ["हिन्दी", "क्षि", "กำลัง", "น้ำ", "தமிழ்", "שָׁלוֹם", "مُحَمَّد", "\u0600123", "ကြောင့်", "ខ្ញុំ"]
ODD = ["\u0301", "e\u0301\u0302\u0303", " \u0301", "\r\n", "\n\u0301", "\u200d", "\u200c", "\ufe0f", "a\u200db"]
ODD += ["\u00a0\u0308"]
PLAIN = ["John", "Smith", "said", "the", "number", ".", ",", "(", "-", " ", "  ", "\n", "\t", ""]
ATOMS = st.sampled_from([*NFD, *EMOJI, *SCRIPTS, *ODD, *PLAIN, *PLAIN])
WHOLE_OF_UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
TEXTS = st.lists(ATOMS | ATOMS | WHOLE_OF_UNICODE, max_size=16).map("".join)


def borders(text: str) -> set[int]:
    """Where clusters start and end, by the library that knows."""
    return {0, *itertools.accumulate(map(len, regex.findall(r"\X", text)))}


@given(st.lists(TEXTS, max_size=3))
def test_places_inside_of_clusters_are_those_of_uax_29(texts: list[str]) -> None:
    whole = "".join(texts)
    found = within(texts, np.frombuffer(whole.encode("utf-32-le"), np.uint32))
    inside = set() if found is None else set(np.flatnonzero(found).tolist())
    starts = np.cumsum([0, *map(len, texts)]).tolist()
    expected = {
        start + at for start, text in zip(starts, texts, strict=False) for at in set(range(len(text))) - borders(text)
    }
    between_cr_and_lf = {at for at in range(1, len(whole)) if whole[at - 1 : at + 1] == "\r\n"}
    assert inside | between_cr_and_lf == expected | between_cr_and_lf


def tag(family: Any, rule: str, multi_label: bool, seed: int, **given: Any) -> list[list[Span]]:
    """Spans from logits drawn at random."""
    labels = dict(enumerate(make("IOB2", ["A", "B"]).labels))
    tagger = Tagger(family, labels, 24, words=rule, multi_label=multi_label)
    batch = prepare(tagger, **given)
    rng = np.random.default_rng(seed)
    logits = [rng.normal(0, 3, (len(window.ids), len(labels))).astype(np.float32) for window in batch.windows]
    return finish(tagger, batch, logits)


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=3),
    rule=st.sampled_from(["mean", "first", "token"]),
    multi_label=st.booleans(),
    seed=st.integers(0, 1 << 20),
)
def test_spans_start_and_end_between_clusters(
    family: Any, texts: list[str], rule: str, multi_label: bool, seed: int
) -> None:
    for text, row in zip(texts, tag(family, rule, multi_label, seed, texts=texts), strict=True):
        for span in row:
            assert {span.start, span.end} <= borders(text)
            assert span.text == text[span.start : span.end]
            assert span.text.strip() == span.text != ""
        for kind in ("A", "B") if multi_label else (None,):
            own = [span for span in row if kind in (None, span.label)]
            assert all(one.end <= other.start for one, other in itertools.pairwise(own))


@given(
    words=st.lists(st.lists(ATOMS | WHOLE_OF_UNICODE | st.just("São Paulo"), max_size=8), min_size=1, max_size=3),
    delimiter=st.sampled_from([" ", "", "\u0301", "-"]),
    rule=st.sampled_from(["mean", "first", "token"]),
    seed=st.integers(0, 1 << 20),
)
def test_spans_of_given_words_cover_whole_words(
    family: Any, words: list[list[str]], delimiter: str, rule: str, seed: int
) -> None:
    found = tag(family, rule, False, seed, words=words, delimiter=delimiter)
    for own, row in zip(words, found, strict=True):
        text = delimiter.join(own)
        ends = np.cumsum([len(word) + len(delimiter) for word in own]) - len(delimiter)
        for span in row:
            assert span.words is not None
            first, end = span.words
            assert (span.start, span.end) == (ends[first] - len(own[first]), ends[end - 1])
            assert span.text == text[span.start : span.end]
        assert all(one.end <= other.start for one, other in itertools.pairwise(row))


@pytest.mark.parametrize(
    ("text", "token", "whole"),
    [
        ("I met Jose\u0301.", "Jose", "Jose\u0301"),
        ("in \u1109\u1165\u110b\u116e\u11af.", "\u1109", "\u1109\u1165"),  # the jamo of Seoul
        ("a 👩‍👩‍👧 b", "👩", "👩‍👩‍👧"),
        ("a 👍🏽 b", "👍", "👍🏽"),
        ("a 🇫🇷 b", "🇫", "🇫🇷"),
    ],
)
def test_a_token_that_stands_for_a_part_gives_the_whole(family: Any, text: str, token: str, whole: str) -> None:
    tagger = Tagger(family, {0: "O", 1: "B-A", 2: "I-A"}, 64, words="first")
    batch = prepare(tagger, text)
    (encoding,) = batch.encodings
    assert encoding.offsets is not None
    at = text.index(token)
    mine = (encoding.offsets[:, 0] < at + len(token)) & (encoding.offsets[:, 1] > at)
    logits = np.where(mine[:, None], [0, 6, 0], [6, 0, 0]).astype(np.float32)
    found = finish(tagger, batch, [logits])[0]
    assert any(whole in span.text for span in found)
    assert {edge for span in found for edge in (span.start, span.end)} <= borders(text)


def test_hugging_faces_strategies_and_offsets_of_tokens_stay_as_they_are(make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer("byte_bpe")
    text = "Jose\u0301"
    tagger = Tagger(tokenizer, {0: "B-A", 1: "B-B"}, 64)
    batch = prepare(tagger, text, aggregation_strategy="none")
    offsets = tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    assert batch.encodings[0].offsets is not None
    assert batch.encodings[0].offsets.tolist() == [list(pair) for pair in offsets]
    logits = [np.eye(2, dtype=np.float32)[np.arange(len(offsets)) % 2]]
    found = [(span.start, span.end) for span in finish(tagger, batch, logits)[0]]
    assert found == [tuple(pair) for pair in offsets[1:-1]]
    assert any({start, end} - borders(text) for start, end in found)
