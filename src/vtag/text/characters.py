"""Which characters each token stands for, where a tokenizer's offsets count a sign of its own among them.

Tokenizers for which a word begins with a space (▁, or Ġ for bytes) put one before a text, and after each added token in
it, as if it stood there. Offsets have no place for it, and so they are off in two ways:
- As a token of its own it is given the first character, which belongs to the next token.
- As a part of a token it is cut off (`trim_offsets`), and with it the first character, though the text has no space.
Hugging Face's strategies go by the offsets all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_SPACES = ("▁", "Ġ")


class Characters:
    """What has to be known of a tokenizer."""

    def __init__(self, backend: Any) -> None:
        self._spaces = [at for sign in _SPACES if (at := backend.token_to_id(sign)) is not None]
        added = list(backend.get_added_tokens_decoder())
        self._added = np.zeros(max([0, *backend.get_vocab(with_added_tokens=True).values()]) + 1, bool)
        self._added[added] = True
        self._piece = backend.id_to_token

    def of(self, ids: np.ndarray, offsets: np.ndarray, lengths: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """int32 [N, 2], as the offsets; start = end for a token that stands for no character.

        ids, offsets: [N], [N, 2], the tokens of all texts, end to end; lengths: int [texts], tokens of each.
        """
        ends = np.cumsum(lengths)
        changed = offsets
        before, after = offsets[:-1], offsets[1:]
        for sign in self._spaces:
            at = np.flatnonzero(ids[:-1] == sign)
            at = at[(after[at, 0] < before[at, 1]) & (after[at, 1] > before[at, 0]) & ~np.isin(at + 1, ends)]
            if len(at):
                changed = changed.copy() if changed is offsets else changed
                changed[at, 1] = changed[at, 0]
        at = np.flatnonzero(self._added[ids[:-1]] & (after[:, 0] == before[:, 1] + 1)) + 1
        for token, text in zip(at.tolist(), np.searchsorted(ends, at, side="right").tolist(), strict=True):
            start = int(offsets[token, 0]) - 1
            piece = self._piece(int(ids[token]))
            if len(piece) > 1 and piece.startswith("Ġ") and not texts[text][start].isspace():
                changed = changed.copy() if changed is offsets else changed
                changed[token, 0] = start
        return changed
