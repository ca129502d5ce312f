"""The values of a body are counted before any is made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtag.errors import VtagError
from vtag.serve.http.body import parse_json

STRINGS = st.text('\\",[{a}]é', max_size=6)
VALUES = st.recursive(
    st.none() | st.integers() | STRINGS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4),
    max_leaves=20,
)


def count(content: Any, empty: int) -> int:
    """How many values there are; a list or an object that is empty counts for so many."""
    if not isinstance(content, list | dict):
        return 1
    inner = content if isinstance(content, list) else list(content.values())
    return 1 + sum(count(value, empty) for value in inner) if inner else empty


def refused(body: bytes, most: int) -> bool:
    try:
        parse_json(body, most)
    except VtagError as error:
        return error.kind == "too_many_values"
    return False


@given(content=VALUES, ascii_only=st.booleans())
def test_as_many_values_are_taken_as_there_may_be(content: Any, ascii_only: bool) -> None:
    body = json.dumps(content, ensure_ascii=ascii_only).encode()
    assert not refused(body, count(content, 2))
    assert count(content, 1) < 2 or refused(body, count(content, 1) - 1) or len(body) <= count(content, 1) - 1


@pytest.mark.parametrize("text", ["a, b [c] {d}, " * 300_000, '\\", [' * 400_000, "\\" * 2_000_001, '"' * 1_000_000])
def test_marks_within_a_text_are_no_values(text: str) -> None:
    assert parse_json(json.dumps({"input": text}).encode(), 3) == {"input": text}
