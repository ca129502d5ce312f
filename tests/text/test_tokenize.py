"""Fast tokenizers: ids and offsets are Hugging Face's own, whole texts, and nobody else's settings matter."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vtag.text.tokenize import FastTokenizer, word_offsets

TEXTS = ["", " ", "John works.", "a [SEP] b </s> c", "e\u0301 İstanbul\x00東京 🇫🇷", "\n\tSão Paulo\u00a0", "x" * 300]


@pytest.fixture
def random_texts(make_text: Callable[..., str]) -> list[str]:
    random_ = random.Random(5)
    return [*TEXTS, *(make_text(random_) for _ in range(200))]


def test_ids_offsets_and_special_tokens_are_those_of_hugging_face(family: Any, random_texts: list[str]) -> None:
    theirs = family(random_texts, return_offsets_mapping=True, return_special_tokens_mask=True)
    for i, ours in enumerate(FastTokenizer(family).encode(random_texts)):
        assert ours.ids.tolist() == theirs["input_ids"][i]
        assert ours.offsets is not None
        assert ours.offsets.tolist() == [list(pair) for pair in theirs["offset_mapping"][i]]
        assert ours.special.tolist() == [bool(flag) for flag in theirs["special_tokens_mask"][i]]
        assert ours.word_ids.tolist() == [-1 if word is None else word for word in theirs.word_ids(i)]


def test_arrays_have_the_types_that_are_promised(family: Any) -> None:
    for encoding in FastTokenizer(family).encode(["", "John"]):
        assert encoding.offsets is not None
        assert [a.dtype for a in (encoding.ids, encoding.special, encoding.offsets, encoding.word_ids)] == [
            np.int32,
            bool,
            np.int32,
            np.int32,
        ]
        assert encoding.offsets.shape == (len(encoding.ids), 2)


def test_words_have_offsets_into_the_joined_text(family: Any) -> None:
    words = [["EU", "rejects", "", "São", "co-op"], [], ["x"]]
    for delimiter in (" ", "", " | "):
        for own, encoding in zip(words, FastTokenizer(family).encode_words(words, delimiter), strict=True):
            assert encoding.text == delimiter.join(own)
            assert encoding.words is not None
            assert encoding.offsets is not None
            assert [encoding.text[a:b] for a, b in encoding.words.tolist()] == own
            for (start, end), word in zip(encoding.offsets.tolist(), encoding.word_ids.tolist(), strict=True):
                if word >= 0:
                    assert encoding.words[word][0] <= start <= end <= encoding.words[word][1]


def test_a_word_that_spells_a_special_token_is_read_as_hugging_face_reads_it(make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer("wordpiece")
    ours = FastTokenizer(tokenizer).encode(["a [SEP] b"])[0]
    assert ours.ids.tolist() == tokenizer("a [SEP] b")["input_ids"]
    assert ours.special.tolist() == [True, False, False, False, True]


def test_truncation_and_padding_stored_in_the_tokenizer_are_off_here_and_stay_on_there(make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer("wordpiece")
    tokenizer.backend_tokenizer.enable_truncation(5)
    tokenizer.backend_tokenizer.enable_padding(length=64)
    assert [len(e.ids) for e in FastTokenizer(tokenizer).encode(["a " * 40, "a"])] == [42, 3]
    assert tokenizer.backend_tokenizer.truncation["max_length"] == 5
    assert tokenizer.backend_tokenizer.padding["length"] == 64


def test_truncation_switched_on_later_by_others_does_not_reach_it(make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer("wordpiece")
    fast = FastTokenizer(tokenizer)
    tokenizer("a " * 40, truncation=True, max_length=5)
    assert len(fast.encode(["a " * 40])[0].ids) == 42


def test_a_pre_tokenizer_written_in_python_works_though_it_cannot_be_copied(make_tokenizer: Any) -> None:
    from tokenizers import PreTokenizedString, pre_tokenizers

    class AtSpaces:
        def pre_tokenize(self, pretok: PreTokenizedString) -> None:
            pretok.split(lambda _, text: text.split(" ", "removed"))

    tokenizer = make_tokenizer("wordpiece")
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(AtSpaces())
    tokenizer.backend_tokenizer.enable_truncation(3)
    assert len(FastTokenizer(tokenizer).encode(["a a a a"])[0].ids) == 6


def test_no_texts_give_no_encodings(family: Any) -> None:
    fast = FastTokenizer(family)
    assert fast.encode([]) == []
    assert fast.encode_words([], " ") == []
    assert fast.overflow([], 10, 2) == []


def test_a_tokenizer_without_special_tokens_gives_an_empty_text_no_tokens(make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer("byte_bpe")
    tokenizer.backend_tokenizer.post_processor = None
    empty, word = FastTokenizer(tokenizer).encode(["", "a"])
    assert len(empty.ids) == 0
    assert empty.offsets is not None
    assert empty.offsets.shape == (0, 2)
    assert not word.special.any()


def test_offsets_index_the_callers_string_where_the_tokenizer_drops_or_changes_characters(make_tokenizer: Any) -> None:
    text = "\x00\x07İ ﬁn\u200bance e\u0301 John"
    encoding = FastTokenizer(make_tokenizer("wordpiece")).encode([text])[0]
    assert encoding.offsets is not None
    start, end = encoding.offsets[~encoding.special][-1].tolist()
    assert text[start:end] == "John"


def test_word_offsets_of_words_of_no_length() -> None:
    assert [array.tolist() for array in word_offsets([["", "ab", ""], []], "--")] == [[[0, 0], [2, 4], [6, 6]], []]


def test_a_text_of_a_million_characters_takes_memory_in_proportion(family: Any) -> None:
    fast = FastTokenizer(family)
    tracemalloc.start()
    try:
        encoding = fast.encode(["John works for Microsoft. " * 40_000])[0]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert encoding.offsets is not None
    assert encoding.offsets[~encoding.special][-1, 1] >= 1_039_998
    assert peak < 300 * len(encoding.ids)
