"""Models that open spans with I- although their labels have B- for every type, such as models trained on IOB1 text.

IOB2 forbids what these models predict. This is detected per text from the predicted probabilities, for each type and
for all types of a text together.
"""

from __future__ import annotations

import numpy as np

from vtag.decode.scheme import Scheme
from vtag.decode.scores import columns, sums

# In IOB2 text a type opens with B- almost always, in IOB1 text almost never; between these odds the label names decide.
_ODDS = 2.0
# Less than half a word is no evidence.
_LEAST = 0.5
# From this probability on, a word is certainly outside.
_SURE = 0.95


def with_begin_labels(chances: np.ndarray, text: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Label distributions of words, with B- in place of the I- that opens a span, for types whose spans open with I-.

    chances: float32 [W, L]; text: int [W], the index of each word's text, rising.
    """
    at = {pair: label for label, pair in enumerate(zip(scheme.prefixes, scheme.types, strict=True))}
    kinds = [kind for prefix, kind in at if prefix == "B" and ("I", kind) in at]
    if scheme.name != "IOB2" or not kinds or not len(chances):
        return chances
    begin = np.array([at["B", kind] for kind in kinds])
    inside = np.array([at["I", kind] for kind in kinds])
    rows = np.flatnonzero(chances[:, scheme.outside].sum(axis=1) < _SURE)
    if not len(rows):
        return chances
    begins = (rows == 0) | (text[rows] != text[rows - 1])
    # Similarity of the word before to a part of the same span: 1 where its most probable type is this one.
    _, groups = np.unique(scheme.type_ids, return_inverse=True)
    mass = sums(chances[rows - 1], columns(groups)[groups[begin]])
    share = mass / np.maximum(mass.max(axis=1), 1 - mass.sum(axis=1))[:, None]
    share[begins] = 0
    opening = chances[rows]
    _, first, at_text = np.unique(text[rows], return_index=True, return_inverse=True)
    by_inside, by_begin = opening[:, inside], opening[:, begin]
    # Evidence for a type: its B- anywhere, and its I- at the start of a text or after a word that is certainly outside.
    # After a span of another type, I- is often the rest of that span with a wrong type.
    alone = begins | (chances[rows - 1][:, scheme.outside].sum(axis=1) > _SURE)
    of_type = _by_inside(by_inside * alone[:, None], by_begin, first)
    # Evidence for all types together excludes B- right after its own type, where IOB1 has B- too.
    both = [(part * (1 - share)).sum(axis=1, keepdims=True) for part in (by_inside, by_begin)]
    odd = (of_type | _by_inside(both[0], both[1], first))[at_text]
    if not odd.any():
        return chances
    moved, rows = np.where(odd, by_inside * (1 - share), 0), rows[:, None]
    changed = chances.copy()
    changed[rows, begin] += moved
    changed[rows, inside] -= moved
    return changed


def _by_inside(inside: np.ndarray, begin: np.ndarray, first: np.ndarray) -> np.ndarray:
    """bool [texts, K]: whether a text has far more of `inside` than of `begin`, float [rows, K].

    first: int [texts], the first row of each text.
    """
    total = [np.add.reduceat(part, first, axis=0) for part in (inside, begin)]
    return np.asarray(total[0] > _ODDS * total[1] + _LEAST)
