"""Every token stands for the characters that are its own, whatever spaces its tokenizer puts in front of words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers, processors

from tests.conftest import FAMILIES
from vtag.text.tokenize import FastTokenizer
from vtag.types import Encoding

PARTS = st.lists(
    st.sampled_from(["a", "of", "John", "München", "東京", "é", "の", "18th", ".", " ", "  ", "\n"]), max_size=5
)


def made(tokenizer: Any, text: str) -> Encoding:
    return FastTokenizer(tokenizer).encode([text])[0]


def own(encoding: Encoding, base: int = 0) -> list[tuple[int, int, int]]:
    """The id and the characters of each token that has any, without white space at their ends."""
    assert encoding.characters is not None
    found = []
    for token, (start, end), special in zip(
        encoding.ids.tolist(), encoding.characters.tolist(), encoding.special.tolist(), strict=True
    ):
        seen = encoding.text[start:end]
        if seen.strip() and not special:
            left, right = len(seen) - len(seen.lstrip()), len(seen) - len(seen.rstrip())
            found.append((token, base + start + left, base + end - right))
    return found


@pytest.fixture(
    scope="module", params=["wordpiece", "byte_bpe", "byte_bpe untrimmed", "byte_bpe trimmed wrongly", "unigram"]
)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    name, _, how = request.param.partition(" ")
    found = FAMILIES[name]()
    if how:
        trim = how != "untrimmed"
        ends = (("</s>", 2), ("<s>", 0))
        after = processors.RobertaProcessing(*ends, trim_offsets=trim, add_prefix_space=not trim)
        found.backend_tokenizer.post_processor = after
    return found


@given(parts=st.lists(PARTS.map("".join), min_size=1, max_size=4), data=st.data())
def test_added_tokens_in_a_text_change_nothing_of_what_stands_between_them(
    tokenizer: Any, parts: list[str], data: st.DataObject
) -> None:
    literals = [data.draw(st.sampled_from(tokenizer.all_special_tokens)) for _ in parts[1:]] + [""]
    text, expected = "", []
    for part, literal in zip(parts, literals, strict=True):
        expected += own(made(tokenizer, part), len(text)) if part else []
        text += part
        if literal:
            expected.append((tokenizer.convert_tokens_to_ids(literal), len(text), len(text) + len(literal)))
            text += literal
    assert own(made(tokenizer, text)) == expected


@given(text=st.lists(PARTS.map("".join) | st.sampled_from(["<s>", "</s>"]), max_size=6).map("".join))
def test_every_character_belongs_to_a_token(tokenizer: Any, text: str) -> None:
    covered = {at for _, start, end in own(made(tokenizer, text)) for at in range(start, end)}
    assert covered >= {at for at, character in enumerate(text) if not character.isspace()}


@pytest.mark.parametrize("name", ["wordpiece", "byte_bpe", "unigram"])
def test_where_nothing_is_put_in_front_the_offsets_are_right(make_tokenizer: Any, name: str) -> None:
    tokenizer = make_tokenizer(name)
    if name == "byte_bpe":
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    elif name == "unigram":
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    encoding = made(tokenizer, "the number of John")
    assert encoding.characters is not None
    assert encoding.offsets is not None
    assert encoding.characters.tolist() == encoding.offsets.tolist()
