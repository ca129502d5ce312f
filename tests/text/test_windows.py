"""Windows cover every token, fit the model, and cut between words where they can."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtag.errors import EngineError, SettingError
from vtag.text.tokenize import FastTokenizer
from vtag.text.windows import coverage, hf_windows, make_windows, special_ends
from vtag.types import Encoding, Window


def plain_encoding(words: list[int], prefix: int, suffix: int) -> Encoding:
    """Words of so many tokens each, one character a token, one space between words."""
    ids: list[int] = []
    offsets: list[tuple[int, int]] = []
    word_ids: list[int] = []
    at = 0
    for word, length in enumerate(words):
        for _ in range(length):
            ids.append(100 + len(ids))
            offsets.append((at, at + 1))
            word_ids.append(word)
            at += 1
        at += 1
    ends = [(0, 0)]
    return Encoding(
        text=" ".join("x" * length for length in words),
        ids=np.array([1] * prefix + ids + [2] * suffix, np.int32),
        special=np.array([True] * prefix + [False] * len(ids) + [True] * suffix, bool),
        offsets=np.array(ends * prefix + offsets + ends * suffix, np.int32).reshape(-1, 2),
        word_ids=np.array([-1] * prefix + word_ids + [-1] * suffix, np.int32),
    )


def stretch(window: Window) -> np.ndarray:
    return window.ids[window.prefix : window.prefix + window.end - window.start]


encodings = st.builds(
    plain_encoding, st.lists(st.integers(1, 12), min_size=1, max_size=60), st.integers(0, 2), st.integers(0, 2)
)


@given(st.lists(encodings, max_size=4), st.integers(6, 40), st.data())
def test_coverage_counts_tokens_and_windows_and_an_uncovered_token_is_an_error(
    texts: list[Encoding], limit: int, data: st.DataObject
) -> None:
    windows = make_windows(texts, limit, 0)
    counts = [sum(window.text == text for window in windows) for text in range(len(texts))]
    wanted = [(len(one.ids), count) for one, count in zip(texts, counts, strict=True)]
    assert coverage(texts, windows) == wanted
    data.draw(st.randoms()).shuffle(windows)
    assert coverage(texts, windows) == wanted
    if windows:  # without overlap each of them has tokens of its own
        del windows[data.draw(st.integers(0, len(windows) - 1))]
        with pytest.raises(EngineError, match="leave out some of it"):
            coverage(texts, windows)


@given(encodings, st.integers(6, 40), st.data())
def test_every_token_is_in_a_window_and_every_window_fits(encoding: Encoding, limit: int, data: st.DataObject) -> None:
    prefix, suffix = special_ends(encoding)
    stride = data.draw(st.none() | st.integers(0, limit - prefix - suffix - 1))
    windows = make_windows([encoding], limit, stride)
    covered = np.zeros(len(encoding.ids), bool)
    for window in windows:
        assert len(window.ids) <= limit
        assert stretch(window).tolist() == encoding.ids[window.start : window.end].tolist()
        covered[window.start : window.end] = True
    assert covered.all()
    assert windows[0].start == 0
    assert windows[-1].end == len(encoding.ids)


@given(encodings, st.integers(8, 40))
def test_each_window_has_the_special_tokens_of_the_whole_text(encoding: Encoding, limit: int) -> None:
    prefix, suffix = special_ends(encoding)
    for window in make_windows([encoding], limit):
        assert window.ids[:prefix].tolist() == [1] * prefix
        assert window.ids[len(window.ids) - suffix :].tolist() == [2] * suffix


@given(encodings, st.integers(8, 40), st.data())
def test_neighbours_overlap_by_the_stride_at_least(encoding: Encoding, limit: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(0, limit - sum(special_ends(encoding)) - 1))
    windows = make_windows([encoding], limit, stride)
    for before, after in pairwise(windows):
        assert before.end - after.start >= stride
        assert before.start < after.start
        assert before.end < after.end


@given(st.lists(st.integers(1, 4), min_size=1, max_size=80), st.integers(20, 40))
def test_short_words_are_never_split(words: list[int], limit: int) -> None:
    encoding = plain_encoding(words, 1, 1)
    for window in make_windows([encoding], limit)[1:]:
        assert encoding.word_ids[window.start] != encoding.word_ids[window.start - 1]


def test_a_word_longer_than_a_window_is_split_and_kept_whole_over_its_windows() -> None:
    windows = make_windows([plain_encoding([3, 200, 3], 1, 1)], 32)
    assert all(after.start < before.end for before, after in pairwise(windows))
    assert windows[-1].end == 208


def test_a_text_that_fits_is_one_window_of_the_very_same_ids() -> None:
    encoding = plain_encoding([3, 3], 1, 1)
    (window,) = make_windows([encoding], 8)
    assert window.ids is encoding.ids
    assert (window.start, window.end, window.prefix) == (0, 8, 0)


def test_cuts_come_at_white_space_though_the_tokenizer_cuts_at_punctuation_too(make_tokenizer: Any) -> None:
    (encoding,) = FastTokenizer(make_tokenizer("wordpiece")).encode(["of.the.a on, " * 30])
    assert encoding.offsets is not None
    windows = make_windows([encoding], 21)
    assert len(windows) > 5
    for window in windows[1:]:
        assert encoding.text[encoding.offsets[window.start, 0] - 1] == " "


def test_a_text_of_no_tokens_has_no_window() -> None:
    assert make_windows([plain_encoding([], 0, 0)], 8) == []
    assert hf_windows([plain_encoding([], 0, 0)], 8, 2) == []


@pytest.mark.parametrize("side", ["right", "left"])
def test_hugging_faces_windows_are_those_of_its_tokenizer(
    family: Any, make_text: Callable[..., str], side: str
) -> None:
    random_ = random.Random(3)
    texts = [make_text(random_, longest=40) for _ in range(60)]
    encoded = FastTokenizer(family).encode(texts)
    family.truncation_side = side
    try:
        for limit, stride in [(9, 0), (16, 5), (40, 37)]:
            theirs = family(texts, truncation=True, max_length=limit, stride=stride, return_overflowing_tokens=True)
            ours = hf_windows(encoded, limit, stride, from_end=side == "left")
            assert [window.ids.tolist() for window in ours] == theirs["input_ids"]
            assert [window.text for window in ours] == theirs["overflow_to_sample_mapping"]
            parts = FastTokenizer(family).overflow(encoded, limit, stride)
            assert [part.ids.tolist() for of_text in parts for part in of_text] == theirs["input_ids"]
            for window in ours:
                assert stretch(window).tolist() == encoded[window.text].ids[window.start : window.end].tolist()
    finally:
        family.truncation_side = "right"


def test_an_overlap_as_large_as_a_window_is_one_line_that_names_the_limit() -> None:
    for make in (make_windows, hf_windows):
        with pytest.raises(SettingError, match="stride=6 does not fit: it must be from 0 to 5 tokens"):
            make([plain_encoding([20], 1, 1)], 8, 6)


def test_a_window_without_room_is_one_line() -> None:
    with pytest.raises(SettingError, match="max_length=2 leaves no room"):
        make_windows([plain_encoding([20], 1, 1)], 2)
