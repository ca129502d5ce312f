"""Tokenizers without a fast backend: offsets come from matching the token strings against the text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from vtag.text.tokenize import TokenStrings, word_offsets
from vtag.types import Encoding

_SOLID = re.compile(r"\S")


class SlowTokenizer:
    """The interface of FastTokenizer; `Encoding.offsets` is None for a text that its token strings do not spell."""

    cuts_left = False

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Encode whole texts, without truncation."""
        result = []
        for text in texts:
            encoded = self._tokenizer(text, truncation=False, padding=False, return_special_tokens_mask=True)
            ids = np.array(encoded["input_ids"], dtype=np.int32)
            special = np.array(encoded["special_tokens_mask"], dtype=bool)
            offsets = self._align(text, ids, special)
            result.append(Encoding(text, ids, special, offsets, _white_space_words(text, offsets, special)))
        return result

    def encode_words(self, texts: Sequence[list[str]], delimiter: str) -> list[Encoding]:
        """Encode texts passed as words, each word by itself; a token's offsets are those of its whole word."""
        result = []
        for words, bounds in zip(texts, word_offsets(texts, delimiter), strict=True):
            parts = [self._tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
            body = list(itertools.chain.from_iterable(parts))
            encoded = self._tokenizer.prepare_for_model(body, truncation=False, return_special_tokens_mask=True)
            special = np.array(encoded["special_tokens_mask"], dtype=bool)
            word_ids = np.full(len(special), -1, dtype=np.int32)
            word_ids[~special] = np.repeat(np.arange(len(words)), [len(part) for part in parts])
            offsets = np.concatenate([bounds, np.zeros((1, 2), np.int32)])[word_ids]
            ids = np.array(encoded["input_ids"], dtype=np.int32)
            result.append(Encoding(delimiter.join(words), ids, special, offsets, word_ids, bounds))
        return result

    def pieces(self, encoding: Encoding) -> TokenStrings:
        """What Hugging Face's pipeline knows without a fast tokenizer: no token is unknown or continues a word."""
        none = np.zeros(len(encoding.ids), dtype=bool)
        return TokenStrings(self._tokenizer.convert_ids_to_tokens(encoding.ids.tolist()), none, none)

    def strings(self, ids: np.ndarray) -> list[str]:
        """The token strings of ids."""
        return list(self._tokenizer.convert_ids_to_tokens(ids.tolist()))

    def to_string(self, pieces: list[str]) -> str:
        """Token strings joined to text by the tokenizer."""
        return str(self._tokenizer.convert_tokens_to_string(pieces))

    def _align(self, text: str, ids: np.ndarray, special: np.ndarray) -> np.ndarray | None:
        """Offsets [T, 2] by matching token strings to the text one after another; None where one does not match."""
        offsets = np.zeros((len(ids), 2), dtype=np.int32)
        at = 0
        for token in np.flatnonzero(~special).tolist():
            piece = self._tokenizer.convert_ids_to_tokens(int(ids[token]))
            found = _find(text, at, [piece, self.to_string([piece]).strip(), *_bare(piece)])
            if found is None and not any(_bare(piece)):  # a token for a space, which the text may lack
                found = at, at
            if found is None:
                return None
            offsets[token] = found
            at = found[1]
        return None if text[at:].strip() else offsets


def _find(text: str, at: int, forms: list[str]) -> tuple[int, int] | None:
    """Find the next place in the text where one of the forms matches, ignoring case and leading white space."""
    solid = _SOLID.search(text, at)
    word = solid.start() if solid else len(text)
    for form in filter(None, forms):
        for start in (at, word):
            end = start + len(form)
            if text[start:end] == form or text[start:end].casefold() == form.casefold():
                return start, end
    return None


def _bare(piece: str) -> list[str]:
    """The token string without the tokenizer's marks for the start, continuation or end of a word."""
    bare = piece.removeprefix("##").lstrip("▁Ġ")
    return [bare.removesuffix("</w>").removesuffix("@@")]


def _white_space_words(text: str, offsets: np.ndarray | None, special: np.ndarray) -> np.ndarray:
    """Word ids [T] by white space; without offsets, each token is a word of its own."""
    if offsets is None:
        return np.where(special, -1, np.arange(len(special))).astype(np.int32)
    space = np.array([character.isspace() for character in text] + [False], dtype=bool)
    word = np.cumsum(space)[offsets[:, 0]]
    return np.where(special, -1, word).astype(np.int32)
