"""Where a long text falls apart by itself: its lines."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from vtag.types import Encoding


def stretches(encoding: Encoding, first: int, last: int) -> list[tuple[int, int]]:
    """Cut the tokens [first, last) at line ends; hard-wrapped text, and words of the caller's, stay whole.

    Most token classifiers learnt from single sentences, and a neighbour without a bond to the text only misleads them.
    An indented line goes on from the one before (an address). A text is taken as hard-wrapped if more than half of its
    lines go on with a small letter.
    """
    text, offsets = encoding.text, encoding.offsets
    if offsets is None or encoding.words is not None or last - first < 2 or "\n" not in text or _is_wrapped(text):
        return [(first, last)]
    codes = np.frombuffer((text + "\n").encode("utf-32-le", "surrogatepass"), np.uint32)
    ends = np.flatnonzero((codes[:-1] == ord("\n")) & (codes[1:] != ord(" ")) & (codes[1:] != ord("\t")))
    # A token's white space belongs before it, so its last character says on which line it stands.
    line = np.searchsorted(ends, np.maximum(offsets[first:last, 1] - 1, 0))
    cuts = np.flatnonzero(line[1:] > np.maximum.accumulate(line)[:-1]) + 1 + first
    edges = [first, *cuts.tolist(), last]
    return list(pairwise(edges))


def _is_wrapped(text: str) -> bool:
    following = [line.lstrip()[0] for line in text.split("\n")[1:] if line.strip()]
    return 2 * sum(character.islower() for character in following) > len(following)
