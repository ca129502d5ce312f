"""Grapheme clusters: user-perceived characters, inside of which a text must not be cut.

Unicode Standard Annex 29, by the `regex` library: e with its accent, the jamo of a Hangul syllable, an emoji with its
modifiers, the letters of a flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import regex

_CLUSTER = regex.compile(r"\X")
# Flags are pairs, counted from the start of a run of regional indicators, and `regex` looks back to it from each of
# them. Runs are cut after every eighth pair, so that the time stays linear in their length.
_PAIRS = regex.compile(r"(?:\p{RI}\p{RI}){8}(?=\p{RI})")
# Of two characters in one cluster, at least one has one of these properties (except CR LF, at which no span begins or
# ends).
_CLASSES = ("Extend", "ZWJ", "SpacingMark", "Prepend", "L", "V", "T", "Regional_Indicator")
_JOINER = regex.compile("[" + "".join(rf"\p{{GCB={name}}}" for name in _CLASSES) + "]")
_FIRST_JOINER = 0x300
# Filled on demand: 0 unknown, 1 joins nothing, 2 may join its neighbours.
_joins = np.zeros(0x110000, np.uint8)


def clusters(text: str) -> list[str]:
    """The clusters of a text, in order."""
    return [cluster[0] for begin, stop in _pieces(text) for cluster in _CLUSTER.finditer(text[begin:stop])]


def within(texts: Sequence[str], codes: np.ndarray) -> np.ndarray | None:
    """bool [characters + 1] over the concatenated texts, true where the position before a character is inside of a
    cluster; None if there is no such position.

    codes: uint32 [characters], their code points.
    """
    if not len(codes) or codes.max() < _FIRST_JOINER:
        return None
    joins = _joins[codes]
    if not joins.all():
        for code in np.unique(codes[joins == 0]).tolist():
            _joins[code] = 2 if _JOINER.match(chr(code)) else 1
        joins = _joins[codes]
    found = np.flatnonzero(joins == 2)
    if not len(found):
        return None
    inside = np.zeros(len(codes) + 1, bool)
    ends = np.cumsum([len(text) for text in texts])
    for number in np.unique(np.searchsorted(ends, found, side="right")).tolist():
        text = texts[number]
        at = int(ends[number]) - len(text)
        for begin, stop in _pieces(text):
            for cluster in _CLUSTER.finditer(text[begin:stop]):
                start, end = cluster.span()
                if end - start > 1:
                    inside[at + begin + start + 1 : at + begin + end] = True
    return inside if inside.any() else None


def _pieces(text: str) -> pairwise[tuple[int, int]]:
    """Start and end of pieces of a text that no cluster crosses."""
    return pairwise([0, *(pairs.end() for pairs in _PAIRS.finditer(text)), len(text)])
