"""Long texts fall apart at line ends, where the lines are texts of their own."""

from __future__ import annotations

import numpy as np
import pytest

from vtag.text.line_breaks import stretches
from vtag.text.windows import make_windows
from vtag.types import Encoding


def encode(text: str) -> Encoding:
    """One token per character that is no white space."""
    at = np.array([i for i, character in enumerate(text) if not character.isspace()], np.int32)
    offsets = np.stack([at, at + 1], axis=1).astype(np.int32)
    return Encoding(text, at, np.zeros(len(at), bool), offsets, np.arange(len(at), dtype=np.int32))


def lines_of(text: str) -> list[str]:
    encoding = encode(text)
    assert encoding.offsets is not None
    return [
        text[encoding.offsets[first, 0] : encoding.offsets[last - 1, 1]]
        for first, last in stretches(encoding, 0, len(encoding.ids))
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("One.\nTwo\n\nThree\r\nFour", ["One.", "Two", "Three", "Four"]),
        ("Ann Lee\n12 Hill Road\n Apt. 4\n\tBath", ["Ann Lee", "12 Hill Road\n Apt. 4\n\tBath"]),
        ("It was a\ndark and\nstormy night", ["It was a\ndark and\nstormy night"]),
        ("No end", ["No end"]),
        ("\n\nX\n\n", ["X"]),
    ],
)
def test_lines_are_cut_unless_they_go_on(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines


def test_a_token_before_the_newline_may_hold_it() -> None:
    offsets = np.array([[0, 1], [1, 2], [2, 3]], np.int32)
    ids = np.arange(3, dtype=np.int32)
    assert stretches(Encoding("A\nB", ids, np.zeros(3, bool), offsets, ids), 0, 3) == [(0, 2), (2, 3)]


def test_a_text_that_fits_is_never_cut_and_one_that_does_not_is_cut_at_lines_first() -> None:
    encoding = encode("Aaaa\nBbbb\n" + "C" * 150)
    assert len(make_windows([encoding], 158, by_lines=True)) == 1
    windows = make_windows([encoding], 100, by_lines=True)
    assert [(window.start, window.end) for window in windows[:2]] == [(0, 4), (4, 8)]
    assert all(len(window.ids) <= 64 for window in windows)
    assert windows[-1].end == len(encoding.ids)
