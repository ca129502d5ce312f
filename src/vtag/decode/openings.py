"""Models that open spans with I- though they have a B- for every type, as those trained on IOB1 text do.

Their label names say IOB2, under which their best answers are illegal. What they answer tells: each text is asked.
"""

from __future__ import annotations

import numpy as np

from vtag.decode.scheme import Scheme
from vtag.decode.scores import columns, sums

# A model of IOB2 text opens by B- about always, one of IOB1 text about never; in between the names are believed.
_ODDS = 2.0
# Words that are outside for sure tell nothing.
_SURE = 0.95


def opened_by_begin(chances: np.ndarray, text: np.ndarray, texts: int, scheme: Scheme) -> np.ndarray:
    """The label distributions of words, with B- for the I- that opens a span, in texts where spans open by I-.

    chances: float32 [W, L]; text: int [W], the index of each word's text; texts: how many there are.
    """
    at = {pair: label for label, pair in enumerate(zip(scheme.prefixes, scheme.types, strict=True))}
    kinds = [kind for prefix, kind in at if prefix == "B" and ("I", kind) in at]
    if scheme.name != "IOB2" or not kinds or not len(chances):
        return chances
    begin = np.array([at["B", kind] for kind in kinds])
    inside = np.array([at["I", kind] for kind in kinds])
    rows = np.flatnonzero(chances[:, scheme.outside].sum(axis=1) < _SURE)
    # How much the word before looks like a part of the same span: 1 where that is its likeliest type.
    _, groups = np.unique(scheme.type_ids, return_inverse=True)
    mass = sums(chances[rows - 1], columns(groups)[groups[begin]])
    share = mass / np.maximum(mass.max(axis=1), 1 - mass.sum(axis=1))[:, None]
    share[(rows == 0) | (text[rows] != text[rows - 1])] = 0
    own = chances[rows]
    by_inside, by_begin = own[:, inside] * (1 - share), own[:, begin] * (1 - share)
    asked = text[rows]
    total = [np.bincount(asked, part.sum(axis=1), texts) for part in (by_inside, by_begin)]
    odd = (total[0] > _ODDS * total[1])[asked]
    if not odd.any():
        return chances
    moved, rows = by_inside[odd], rows[odd][:, None]
    changed = chances.copy()
    changed[rows, begin] += moved
    changed[rows, inside] -= moved
    return changed
