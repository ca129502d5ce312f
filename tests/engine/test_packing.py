"""Blocks of texts, and packs of windows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vtag.engine.packing import BLOCK_SIZE, BLOCK_TEXTS, blocks, packs


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(50, 120))
def test_every_window_travels_once_and_no_pack_is_over_the_limit(lengths: list[int], limit: int) -> None:
    found = list(packs(lengths, limit))
    assert sorted(i for pack in found for i in pack) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in pack) <= limit for pack in found)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_packs_hold_windows_in_order_of_length(lengths: list[int]) -> None:
    order = np.concatenate(list(packs(lengths, 100)))
    assert [lengths[i] for i in order] == sorted(lengths)


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
