"""What is no collection of texts, words or prompts is refused in one line; whatever gives them in turn is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from tests.refusals import refused
from tests.tagging import prepare

if TYPE_CHECKING:
    from vtag import LLM

TEXT = "I am Ann Smith."
TABLE = {"text": [TEXT]}

TEXTS_AND_WORDS: list[tuple[str, dict[str, Any], str, str]] = [
    ("nothing", {}, "input_or_words", "not both and not neither"),
    ("both", {"texts": [TEXT], "words": [["I"]]}, "input_or_words", "not both and not neither"),
    ("both, empty", {"texts": [], "words": []}, "input_or_words", "not both and not neither"),
    ("bytes", {"texts": b"I am Ann."}, "not_texts", "texts are bytes"),
    ("a bytearray", {"texts": bytearray(b"I am Ann.")}, "not_texts", "texts are bytearray"),
    ("a dict", {"texts": TABLE}, "not_texts", "texts are dict"),
    ("a DataFrame", {"texts": pd.DataFrame(TABLE)}, "not_texts", "texts are DataFrame"),
    ("an Arrow table", {"texts": pa.table(TABLE)}, "not_texts", "texts are Table"),
    ("a number", {"texts": 3}, "not_texts", "texts are int"),
    ("an array of no dimension", {"texts": np.array(TEXT)}, "not_texts", "texts are ndarray"),
    ("a string as words", {"words": TEXT}, "words_string", "pass a list of words"),
    ("bytes as words", {"words": b"I am"}, "not_texts", "words are bytes"),
    ("a dict as words", {"words": {"I": 1}}, "not_texts", "words are dict"),
]
ITEMS: list[tuple[str, dict[str, Any], str, str]] = [
    ("bytes among texts", {"texts": [TEXT, b"a"]}, "not_a_string", "text 1 is bytes"),
    ("what a Series says of nothing", {"texts": pd.Series([TEXT, None])}, "not_a_string", "text 1 is "),
    ("an array of two dimensions", {"texts": np.array([[TEXT]])}, "not_a_string", "text 0 is ndarray"),
    ("a string among lists of words", {"words": [["I"], "am"]}, "not_words", "words[1]"),
    ("bytes among lists of words", {"words": [["I"], b"am"]}, "not_words", "words[1]"),
    ("a number among words", {"words": [["I", 3]]}, "not_words", "words[0]"),
]
PROMPTS: list[tuple[str, Any, str, str]] = [
    ("nothing", None, "not_texts", "prompts are NoneType"),
    ("bytes", b"I am Ann.", "not_texts", "prompts are bytes"),
    ("bytes among texts", [TEXT, b"I am Ann."], "not_a_prompt", "prompt 1 is bytes"),
    ("a DataFrame", pd.DataFrame(TABLE), "not_texts", "prompts are DataFrame"),
    ("a dict without a prompt", {"text": TEXT}, "not_a_prompt", "prompt 0 is NoneType"),
    ("a number among texts", [TEXT, 3], "not_a_prompt", "prompt 1 is int"),
    ("a fraction among ids", [[1, 2.5]], "not_a_prompt", "prompt 0 is list"),
    ("a truth among ids", [[True]], "not_a_prompt", "prompt 0 is list"),
    ("no ids", [[]], "empty_prompt", "prompt 0 has no token ids"),
    ("no ids in a dict", [TEXT, {"prompt_token_ids": []}], "empty_prompt", "prompt 1 has no token ids"),
    ("an id below 0", [101, -1], "id_outside", "vocabulary of "),
    ("an id below 0 in a list", [[101], [-1]], "id_outside", "vocabulary of "),
    ("an id beyond the vocabulary", [10**6], "id_outside", "vocabulary of "),
    ("an id beyond all arrays", [10**30], "id_outside", "vocabulary of "),
]


def each(table: Sequence[tuple[Any, ...]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("given", "kind", "says"), [row[1:] for row in table], ids=[row[0] for row in table])


@each(TEXTS_AND_WORDS)
def test_what_is_no_collection_is_refused_by_the_call(idle: LLM, given: dict[str, Any], kind: str, says: str) -> None:
    for call in (idle.tag, idle.tag_stream, partial(prepare, idle.tagger)):
        refused(kind, says, lambda call=call: call(**given))  # type: ignore[misc]


@each(ITEMS)
def test_what_is_no_text_is_named_by_its_index(llm: LLM, given: dict[str, Any], kind: str, says: str) -> None:
    refused(kind, says, lambda: llm.tag(**given))
    refused(kind, says, lambda: list(llm.tag_stream(**given)))


@each(PROMPTS)
def test_prompts_that_cannot_be_meant(idle: LLM, given: Any, kind: str, says: str) -> None:
    refused(kind, says, lambda: idle.encode(given))


def test_a_delimiter_that_is_no_string(idle: LLM) -> None:
    refused("bad_argument", "delimiter=5: must be a string", lambda: idle.tag(words=[["a"]], delimiter=5))  # type: ignore[arg-type]


def test_tokenization_of_ones_own_is_not_dropped_in_silence(idle: LLM) -> None:
    refused("no_tokenization_kwargs", "", lambda: idle.encode(TEXT, tokenization_kwargs={"truncation": True}))


def test_texts_in_whatever_gives_them_in_turn(llm: LLM) -> None:
    texts = [TEXT, "Call Bob."]
    expected = llm.tag(texts)
    rows = [output.data for output in llm.encode(texts)]
    ids = [output.token_ids for output in llm.encode(texts)]
    many: list[Callable[[], Any]] = [
        lambda: tuple(texts),
        lambda: iter(texts),
        lambda: (text for text in texts),
        lambda: dict.fromkeys(texts).keys(),
        lambda: np.array(texts),
        lambda: np.array(texts, object),
        lambda: pd.Series(texts, index=[7, 3]),
        lambda: pd.DataFrame({"columns": texts})["columns"],
        lambda: pa.array(texts).to_pylist(),
    ]
    for make in many:
        assert llm.tag(make()) == list(llm.tag_stream(make())) == expected
        for output, row in zip(llm.encode(make()), rows, strict=True):
            np.testing.assert_array_equal(output.data, row)
    own: list[Any] = [ids, (np.array(one) for one in ids), [torch.tensor(one) for one in ids], pd.Series(ids)]
    for prompts in own:
        for output, row in zip(llm.encode(prompts), rows, strict=True):
            np.testing.assert_array_equal(output.data, row)
    alone = llm.encode(TEXT)[0].data
    for one in (np.array(ids[0]), torch.tensor(ids[0]), tuple(ids[0])):
        np.testing.assert_array_equal(llm.encode(one)[0].data, alone)


def test_words_in_whatever_gives_them_in_turn(llm: LLM) -> None:
    words = [TEXT.split(), ["Call", "Bob"]]
    expected = llm.tag(words=words)
    inner: Any = (iter(one) for one in words)
    assert llm.tag(words=iter(words)) == llm.tag(words=inner) == expected
    assert llm.tag(words=pd.Series(words)) == list(llm.tag_stream(words=tuple(words))) == expected
    alone: list[Any] = [words[0], np.array(words[0]), pd.Series(words[0]), tuple(words[0])]
    assert all(llm.tag(words=one) == llm.tag(words=words[:1]) for one in alone)
    assert llm.tag(words=[]) == []
    assert llm.tag(words=[[]]) == [[]]
