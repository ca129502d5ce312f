"""Packs and steps of windows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vtag.backend.packed.model import text_lens
from vtag.engine.batching import requests, steps


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(50, 120))
def test_every_window_travels_once_and_no_pack_is_over_the_limit(lengths: list[int], limit: int) -> None:
    found = list(requests(lengths, limit))
    assert sorted(i for pack in found for i in pack) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in pack) <= limit for pack in found)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_packs_hold_windows_in_order_of_length(lengths: list[int]) -> None:
    order = np.concatenate(list(requests(lengths, 100)))
    assert [lengths[i] for i in order] == sorted(lengths)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=300), st.integers(50, 1000))
def test_packs_are_about_equally_large(lengths: list[int], limit: int) -> None:
    sizes = [sum(lengths[i] for i in pack) for pack in requests(lengths, limit)]
    # Each may be off its share by a window, which those after it share: the last is off by 1 + 1/2 + 1/3 + ... windows.
    off = 1 + sum(1 / rest for rest in range(1, len(sizes)))
    assert max(sizes) - min(sizes) <= off * max(lengths) or len(sizes) > -(-sum(lengths) // limit)


def test_a_window_over_the_limit_travels_alone() -> None:
    assert [pack.tolist() for pack in requests([500, 3, 4], 100)] == [[1, 2], [0]]


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
