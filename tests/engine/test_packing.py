"""Blocks of texts, and packs of windows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtag.engine.packing import BLOCK_SIZE, BLOCK_TEXTS, blocks, one_ahead, packs, steps, text_lens


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(50, 120))
def test_every_window_travels_once_and_no_pack_is_over_the_limit(lengths: list[int], limit: int) -> None:
    found = list(packs(lengths, limit))
    assert sorted(i for pack in found for i in pack) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in pack) <= limit for pack in found)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_packs_hold_windows_in_order_of_length(lengths: list[int]) -> None:
    order = np.concatenate(list(packs(lengths, 100)))
    assert [lengths[i] for i in order] == sorted(lengths)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=300), st.integers(50, 1000))
def test_packs_are_about_equally_large(lengths: list[int], limit: int) -> None:
    sizes = [sum(lengths[i] for i in pack) for pack in packs(lengths, limit)]
    assert max(sizes) - min(sizes) <= 2 * max(lengths) or len(sizes) > -(-sum(lengths) // limit)


def test_a_window_over_the_limit_travels_alone() -> None:
    assert [pack.tolist() for pack in packs([500, 3, 4], 100)] == [[1, 2], [0]]


def test_blocks_keep_the_order_and_know_the_index_of_their_first_text() -> None:
    texts = [str(i) for i in range(2 * BLOCK_TEXTS + 1)]
    found = list(blocks(texts))
    assert [first for first, _ in found] == [0, BLOCK_TEXTS, 2 * BLOCK_TEXTS]
    assert [text for _, block in found for text in block] == texts


def test_a_block_ends_where_long_texts_fill_it() -> None:
    found = list(blocks(["x" * BLOCK_SIZE, "a", "b"]))
    assert [(first, len(block)) for first, block in found] == [(0, 1), (1, 2)]


def test_blocks_are_read_one_at_a_time() -> None:
    read: list[int] = []
    stream = blocks(read.append(i) or "x" for i in range(10 * BLOCK_TEXTS))  # type: ignore[func-returns-value]
    next(stream)
    assert len(read) == BLOCK_TEXTS


def failing(count: int) -> Iterator[str]:
    yield from map(str, range(count))
    raise OSError("gone")


@pytest.mark.parametrize("count", [0, 3, BLOCK_TEXTS, BLOCK_TEXTS + 1])
def test_what_the_texts_raise_comes_after_the_block_of_those_before(count: int) -> None:
    found: list[str] = []
    with pytest.raises(OSError, match="gone"):
        found.extend(text for _, block in blocks(failing(count)) for text in block)
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


@given(st.lists(st.integers(1, 150), max_size=60), st.integers(50, 120), st.integers(1, 8))
def test_steps_hold_what_one_step_of_the_engine_takes_in_order(lengths: list[int], limit: int, count: int) -> None:
    found = [step.tolist() for step in steps(lengths, limit, count)]
    assert [i for step in found for i in step] == list(range(len(lengths)))
    for step in found:
        assert len(step) <= count
        assert sum(lengths[i] for i in step) <= limit or len(step) == 1
    for step, following in pairwise(found):
        assert len(step) == count or sum(lengths[i] for i in step) + lengths[following[0]] > limit


def test_lengths_of_texts_that_do_not_add_up_make_one_text() -> None:
    assert text_lens({"lens": [2, 3]}, 5) == [2, 3]
    for extra in (None, {}, {"lens": [2, 2]}, {"lens": [5, 0]}, {"lens": "5"}, {"lens": [True, 4]}):
        assert text_lens(extra, 5) == [5]
