"""The characters of each token, for tokenizers whose offsets count a space that the text does not have.

SentencePiece-like tokenizers (▁, or Ġ for bytes) insert a space before a text and after each added token. Offsets have
no position for it, and are off in two ways:
- As a separate token it gets the first character, which belongs to the next token.
- As a part of a token it is trimmed (`trim_offsets`), and the first character with it, though the text has no space.
Hugging Face's strategies use the offsets as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_SPACES = ("▁", "Ġ")


class Characters:
    """The tokenizer's data for this: the ids of its spaces and of its added tokens."""

    def __init__(self, backend: Any) -> None:
        self._spaces = [at for sign in _SPACES if (at := backend.token_to_id(sign)) is not None]
        added = list(backend.get_added_tokens_decoder())
        self._added = np.zeros(max(added, default=-1) + 2, bool)  # the last entry stands for all other ids
        self._added[added] = True
        self._piece = backend.id_to_token

    def of(self, ids: np.ndarray, offsets: np.ndarray, lengths: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """The characters of each token, int32 [N, 2] like offsets; start = end for a token without characters.

        ids, offsets: [N], [N, 2], the tokens of all texts, concatenated; lengths: int [texts], tokens of each.
        """
        ends = np.cumsum(lengths)
        before, after = offsets[:-1], offsets[1:]
        # Spaces that share a character with the next token of their text.
        space = np.flatnonzero(np.isin(ids[:-1], self._spaces))
        shares = (after[space, 0] < before[space, 1]) & (after[space, 1] > before[space, 0])
        space = space[shares & ~np.isin(space + 1, ends)]
        # Tokens directly before an added token, unless they end in white space: one character between the two is lost.
        added = self._added[np.minimum(ids[:-1], len(self._added) - 1)]
        cut = np.flatnonzero(added & (after[:, 0] == before[:, 1] + 1)) + 1
        of_text = np.searchsorted(ends, cut, side="right")
        lost = [
            not texts[text][start - 1].isspace() and self._begins_with_space(token)
            for text, start, token in zip(of_text.tolist(), offsets[cut, 0].tolist(), ids[cut].tolist(), strict=True)
        ]
        cut = cut[np.array(lost, bool)]
        if not len(space) and not len(cut):
            return offsets
        found = offsets.copy()
        found[space, 1] = found[space, 0]
        found[cut, 0] -= 1
        return found

    def _begins_with_space(self, token: int) -> bool:
        piece = self._piece(token)
        return len(piece) > 1 and bool(piece.startswith("Ġ"))
