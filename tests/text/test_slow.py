"""Tokenizers without a fast backend: real ones that need no files, or a vocabulary written here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import ByT5Tokenizer, CanineTokenizer, EsmTokenizer

from vtag.text.slow import SlowTokenizer


@pytest.fixture
def esm(tmp_path: Path) -> Any:
    (tmp_path / "vocab.txt").write_text(
        "\n".join(["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWC", "<mask>"])
    )
    return EsmTokenizer(str(tmp_path / "vocab.txt"))


def test_ids_are_those_of_hugging_face(esm: Any) -> None:
    for tokenizer, texts in [(CanineTokenizer(), ["John ü 東京", ""]), (esm, ["MKTA", ""]), (ByT5Tokenizer(), ["Aé"])]:
        encoded = SlowTokenizer(tokenizer).encode(texts)
        assert [encoding.ids.tolist() for encoding in encoded] == [tokenizer(text)["input_ids"] for text in texts]


def test_pieces_that_spell_the_text_have_offsets_in_it(esm: Any) -> None:
    for tokenizer, text in [(CanineTokenizer(), " Jo  ü\n東"), (esm, "MK TA")]:
        encoding = SlowTokenizer(tokenizer).encode([text])[0]
        assert encoding.offsets is not None
        spelled = [text[start:end] for start, end in encoding.offsets[~encoding.special].tolist()]
        assert "".join("".join(spelled).split()) == "".join(text.split())


def test_a_text_that_the_pieces_do_not_spell_has_no_offsets(esm: Any) -> None:
    for tokenizer, text in [(ByT5Tokenizer(), "é"), (esm, "MK?T")]:
        assert SlowTokenizer(tokenizer).encode([text])[0].offsets is None


def test_words_have_the_offsets_of_the_whole_word(esm: Any) -> None:
    encoding = SlowTokenizer(esm).encode_words([["MK", "T", "LAG"]], " ")[0]
    assert encoding.ids.tolist() == esm("MKTLAG")["input_ids"]
    assert encoding.word_ids.tolist() == [-1, 0, 0, 1, 2, 2, 2, -1]
    assert encoding.offsets is not None
    assert encoding.offsets.tolist() == [[0, 0], [0, 2], [0, 2], [3, 4], [5, 8], [5, 8], [5, 8], [0, 0]]


def test_no_words_give_the_special_tokens_alone(esm: Any) -> None:
    assert SlowTokenizer(esm).encode_words([[]], " ")[0].special.all()


@pytest.mark.timeout(60)
def test_200_000_tokens_are_found_in_the_text_in_seconds() -> None:
    text = "a " * 200_000
    encoding = SlowTokenizer(CanineTokenizer()).encode([text])[0]
    assert encoding.offsets is not None
    assert len(encoding.offsets) > 200_000
