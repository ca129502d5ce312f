"""Line breaks as the natural places to cut a long text."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from vtag.types import Encoding


def stretches(encoding: Encoding, first: int, last: int) -> list[tuple[int, int]]:
    """Cut the tokens [first, last) at line ends, except in hard-wrapped text and in the caller's words.

    Most token classifiers were trained on single sentences; unrelated neighbouring lines mislead them. An indented line
    continues the line before it (an address). A text counts as hard-wrapped if more than half of its lines continue
    with a small letter.
    """
    text, offsets = encoding.text, encoding.offsets
    if offsets is None or encoding.words is not None or last - first < 2 or "\n" not in text or _is_wrapped(text):
        return [(first, last)]
    codes = np.frombuffer((text + "\n").encode("utf-32-le", "surrogatepass"), np.uint32)
    ends = np.flatnonzero((codes[:-1] == ord("\n")) & (codes[1:] != ord(" ")) & (codes[1:] != ord("\t")))
    # A token's leading white space belongs to it, so its last character decides on which line it is.
    line = np.searchsorted(ends, np.maximum(offsets[first:last, 1] - 1, 0))
    cuts = np.flatnonzero(line[1:] > np.maximum.accumulate(line)[:-1]) + 1 + first
    edges = [first, *cuts.tolist(), last]
    return list(pairwise(edges))


def _is_wrapped(text: str) -> bool:
    following = [line.lstrip()[0] for line in text.split("\n")[1:] if line.strip()]
    return 2 * sum(character.islower() for character in following) > len(following)
