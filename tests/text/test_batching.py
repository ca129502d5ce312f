"""Texts in blocks, one read ahead of the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtag.text.batching import BATCH_CHARACTERS, BATCH_TEXTS, BatchFill, batches, one_ahead


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(1, 8), st.integers(1, 50))
def test_a_block_ends_with_what_fills_it_or_before_what_would_be_too_much(
    sizes: list[int], items: int, size: int
) -> None:
    ends_with, ends_before = BatchFill(items, size), BatchFill(items, size)
    held: list[int] = []
    mine: list[int] = []
    for one in sizes:
        held.append(one)
        full = ends_with.add(one)
        assert full == (len(held) == items or sum(held) >= size)
        if full:
            ends_with.clear()
            held = []
        over = ends_before.ends_before(one)
        assert over == (bool(mine) and (len(mine) == items or sum(mine) + one > size))
        if over:
            ends_before.clear()
            mine = []
        ends_before.add(one)
        mine.append(one)


def test_blocks_keep_the_order_and_know_the_index_of_their_first_text() -> None:
    texts = [str(i) for i in range(2 * BATCH_TEXTS + 1)]
    found = list(batches(texts))
    assert [first for first, _ in found] == [0, BATCH_TEXTS, 2 * BATCH_TEXTS]
    assert [text for _, block in found for text in block] == texts


def test_a_block_ends_where_long_texts_fill_it() -> None:
    found = list(batches(["x" * BATCH_CHARACTERS, "a", "b"]))
    assert [(first, len(block)) for first, block in found] == [(0, 1), (1, 2)]


def test_blocks_are_read_one_at_a_time() -> None:
    read: list[int] = []
    stream = batches(read.append(i) or "x" for i in range(10 * BATCH_TEXTS))  # type: ignore[func-returns-value]
    next(stream)
    assert len(read) == BATCH_TEXTS


def failing(count: int) -> Iterator[str]:
    yield from map(str, range(count))
    raise OSError("gone")


@pytest.mark.parametrize("count", [0, 3, BATCH_TEXTS, BATCH_TEXTS + 1])
def test_what_the_texts_raise_comes_after_the_block_of_those_before(count: int) -> None:
    found: list[str] = []
    with pytest.raises(OSError, match="gone"):
        found.extend(text for _, block in batches(failing(count)) for text in block)
    assert found == list(map(str, range(count)))


def test_one_ahead_asks_for_the_next_item_before_it_gives_one() -> None:
    read: list[int] = []
    stream = one_ahead(read.append(i) or i for i in range(3))  # type: ignore[func-returns-value]
    assert [(next(stream), len(read)) for _ in range(3)] == [(0, 2), (1, 3), (2, 3)]
    assert list(stream) == []


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_one_ahead_gives_all_items_before_it_fails(count: int) -> None:
    found: list[str] = []
    with pytest.raises(OSError, match="gone"):
        found.extend(one_ahead(failing(count)))
    assert found == list(map(str, range(count)))
