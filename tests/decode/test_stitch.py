"""Windows become whole texts again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vtag.decode.stitch import stitch
from vtag.text.windows import make_windows
from vtag.types import Encoding, Window


def encode(size: int) -> Encoding:
    special = np.zeros(size + 2, bool)
    special[[0, -1]] = True
    at = np.arange(size)
    offsets = np.concatenate([[[0, 0]], np.stack([2 * at, 2 * at + 1], axis=1), [[0, 0]]]).astype(np.int32)
    word_ids = np.concatenate([[-1], at, [-1]]).astype(np.int32)
    return Encoding("a " * size, np.arange(size + 2, dtype=np.int32), special, offsets, word_ids)


def rows_of(window: Window, whole: np.ndarray) -> np.ndarray:
    """What a model that sees no context answers: the row of each token, junk for repeated special tokens."""
    own = np.full((len(window.ids), whole.shape[1]), 1e6, np.float32)
    own[window.prefix : window.prefix + window.end - window.start] = whole[window.start : window.end]
    return own


@given(st.integers(1, 90), st.integers(8, 40), st.booleans(), st.booleans())
def test_windows_that_agree_give_the_rows_of_one_window(size: int, limit: int, by_lines: bool, causal: bool) -> None:
    encoding = encode(size)
    whole = np.random.default_rng(size).normal(size=(size + 2, 3)).astype(np.float32)
    windows = make_windows([encoding], limit, by_lines=by_lines)
    found = stitch([encoding], windows, [rows_of(window, whole) for window in windows], 3, causal=causal)
    assert np.allclose(found[0], whole, atol=1e-5)


def test_a_token_listens_to_the_window_that_gives_it_more_context() -> None:
    ids = np.arange(8, dtype=np.int32)
    encoding = encode(10)
    windows = [Window(ids, 0, 0, 8), Window(ids, 0, 4, 12)]
    rows = [np.zeros((8, 1), np.float32), np.ones((8, 1), np.float32)]
    both = stitch([encoding], windows, rows, 1)[0][:, 0]
    assert np.allclose(both, [0, 0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])
    causal = stitch([encoding], windows, rows, 1, causal=True)[0][:, 0]
    assert (causal[4:8] < both[4:8]).all()


def test_a_text_without_tokens_has_no_rows() -> None:
    none = np.zeros(0, np.int32)
    empty = Encoding("", none, none.astype(bool), none.reshape(0, 2), none)
    assert stitch([empty], [], [], 5)[0].shape == (0, 5)
