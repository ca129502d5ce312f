"""Fast tokenizers: texts, or words already split, to whole `Encoding`s in batches.

The Rust lists become NumPy arrays once a batch, not once a text: this is the hot path.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vtag.text.characters import Characters
from vtag.types import Encoding, make_many


class TokenStrings(NamedTuple):
    """What Hugging Face's strategies need of a text's T tokens, beside the Encoding.

    strings: T token strings, such as "##zo" or "▁Paris".
    unk: bool [T], true where the token is the unknown token.
    subword: bool [T], true where Hugging Face's pipeline would say that the token continues a word.
    """

    strings: list[str]
    unk: np.ndarray
    subword: np.ndarray


class TokenizerError(Exception):
    """The tokenizer fails on one text of several, without saying which: it may have no token for unknown words."""


class FastTokenizer:
    """A private copy of a fast tokenizer's backend, which the caller's truncation and padding settings do not reach."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._backend = _private_copy(tokenizer)
        self._characters = Characters(self._backend)
        self._unfinished: Any = None
        self._table: tuple[np.ndarray, np.ndarray] | None = None
        # As in Hugging Face's pipeline: with such a prefix, a token whose string is longer than its text continues a
        # word.
        self._word_aware = bool(getattr(tokenizer.backend_tokenizer.model, "continuing_subword_prefix", None))
        self._unk = -1 if tokenizer.unk_token_id is None else int(tokenizer.unk_token_id)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Encode whole texts, without truncation."""
        raw = _encode_batch(self._backend, texts, split=False)
        return _encodings(raw, texts, characters=self._characters)

    def encode_words(self, texts: Sequence[list[str]], delimiter: str) -> list[Encoding]:
        """Encode texts passed as words; offsets refer to `delimiter.join(words)`, as in Hugging Face's pipeline."""
        raw = _encode_batch(self._backend, texts, split=True)
        return _encodings(raw, [delimiter.join(words) for words in texts], word_offsets(texts, delimiter))

    def overflow(self, encodings: Sequence[Encoding], max_length: int, stride: int) -> list[list[Encoding]]:
        """The overflowing windows of each text at `max_length`, in Hugging Face's order: one Encoding a window.

        They are not slices of the whole Encoding: byte-level tokenizers trim the first token of each window.
        """
        split = [_words_of(encoding) for encoding in encodings]
        with_words = bool(encodings) and split[0] is not None
        inputs = split if with_words else [encoding.text for encoding in encodings]
        room = max_length - self._backend.num_special_tokens_to_add(False)
        raws = []
        for raw in _encode_batch(self._without_post_processor(), inputs, split=with_words, special=False):
            raw.truncate(room, stride=stride, direction=self._tokenizer.truncation_side)
            # Post-process windows one by one: tokenizers' own overflow is quadratic in the number of windows.
            raws.append([self._backend.post_process(part) for part in (raw, *raw.overflowing)])
        owners = [encoding for encoding, parts in zip(encodings, raws, strict=True) for _ in parts]
        words = [owner.words for owner in owners if owner.words is not None] if with_words else None
        flat = _encodings(list(itertools.chain.from_iterable(raws)), [owner.text for owner in owners], words)
        ends = np.cumsum([len(parts) for parts in raws]).tolist()
        return [flat[end - len(parts) : end] for end, parts in zip(ends, raws, strict=True)]

    @property
    def cuts_left(self) -> bool:
        """Whether Hugging Face's tokenizer counts its windows from the end of the text."""
        return bool(self._tokenizer.truncation_side == "left")

    def pieces(self, encoding: Encoding) -> TokenStrings:
        """The token strings of a text, and which tokens continue a word according to Hugging Face's pipeline."""
        strings, lengths = self._string_table()
        assert encoding.offsets is not None
        starts, ends = encoding.offsets[:, 0], encoding.offsets[:, 1]
        if self._word_aware:
            subword = lengths[encoding.ids] != ends - starts
        else:
            space = np.frombuffer(encoding.text.encode("utf-32-le"), dtype=np.uint32) == ord(" ")
            space = np.append(space, False)
            subword = (starts > 0) & ~space[starts - 1] & ~space[starts]
        return TokenStrings(strings[encoding.ids].tolist(), encoding.ids == self._unk, subword)

    def strings(self, ids: np.ndarray) -> list[str]:
        """The token strings of ids; "" for an id outside of the vocabulary."""
        strings, _ = self._string_table()
        return [strings[i] if i < len(strings) else "" for i in ids.tolist()]

    def to_string(self, pieces: list[str]) -> str:
        """Token strings joined to text by the tokenizer."""
        return str(self._tokenizer.convert_tokens_to_string(pieces))

    def _without_post_processor(self) -> Any:
        """A second copy, created on first use: copying a large vocabulary takes half a second."""
        if self._unfinished is None:
            unfinished = _private_copy(self._tokenizer)
            if unfinished is not self._tokenizer.backend_tokenizer:
                unfinished.post_processor = None
            self._unfinished = unfinished
        return self._unfinished

    def _string_table(self) -> tuple[np.ndarray, np.ndarray]:
        """The token string of each id of the vocabulary (object [V]) and its length (int32 [V])."""
        if self._table is None:
            size = max(self._backend.get_vocab(with_added_tokens=True).values()) + 1
            strings = [self._backend.id_to_token(i) or "" for i in range(size)]
            lengths = np.fromiter(map(len, strings), dtype=np.int32, count=size)
            self._table = (np.array(strings, dtype=object), lengths)
        return self._table


def word_offsets(texts: Sequence[Sequence[str]], delimiter: str) -> list[np.ndarray]:
    """For each text the offsets of its words in `delimiter.join(words)`: int32 [words, 2]."""
    result = []
    for words in texts:
        lengths = np.fromiter(map(len, words), dtype=np.int32, count=len(words))
        ends = np.cumsum(lengths + len(delimiter), dtype=np.int32) - len(delimiter)
        result.append(np.stack([ends - lengths, ends], axis=1).astype(np.int32))
    return result


def _private_copy(tokenizer: Any) -> Any:
    """A copy of the backend without truncation and padding; it reads "[SEP]" in a text as the original does."""
    original = tokenizer.backend_tokenizer
    try:
        backend = type(original).from_str(original.to_str())
    except Exception:  # a pre-tokenizer written in Python cannot be copied: use the original
        backend = original
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = tokenizer.split_special_tokens
    return backend


def _encode_batch(backend: Any, texts: Sequence[Any], *, split: bool, special: bool = True) -> list[Any]:
    try:
        return list(backend.encode_batch(texts, is_pretokenized=split, add_special_tokens=special))
    except Exception as cause:
        raise TokenizerError from cause


def _encodings(
    raw: list[Any],
    texts: Sequence[str],
    words: Sequence[np.ndarray] | None = None,
    characters: Characters | None = None,
) -> list[Encoding]:
    """Convert the Rust encodings: one array for the whole batch, and views of it for each text."""
    chain = itertools.chain.from_iterable
    lengths = np.fromiter(map(len, raw), dtype=np.int64, count=len(raw))
    total = int(lengths.sum())
    ids = np.fromiter(chain(r.ids for r in raw), dtype=np.int32, count=total)
    offsets = np.fromiter(chain(chain(r.offsets for r in raw)), dtype=np.int32, count=2 * total).reshape(total, 2)
    word_ids = np.fromiter(
        (-1 if w is None else w for w in chain(r.word_ids for r in raw)), dtype=np.int32, count=total
    )
    special = word_ids < 0
    if words is not None and total:
        starts = np.concatenate([*(w[:, 0] for w in words), np.zeros(1, np.int32)])
        first_word = np.cumsum([0, *(len(w) for w in words)])[:-1]
        of_token = np.where(word_ids < 0, len(starts) - 1, np.repeat(first_word, lengths) + word_ids)
        offsets += starts[of_token][:, None]
    ends = np.cumsum(lengths).tolist()
    cuts = list(map(slice, [0, *ends], ends))
    parts = (map(array.__getitem__, cuts) for array in (ids, special, offsets, word_ids))
    of_words = itertools.repeat(None) if words is None else words
    token_characters = offsets if characters is None else characters.of(ids, offsets, lengths, texts)
    return make_many(Encoding, texts, *parts, of_words, map(token_characters.__getitem__, cuts))


def _words_of(encoding: Encoding) -> list[str] | None:
    if encoding.words is None:
        return None
    return [encoding.text[start:end] for start, end in encoding.words.tolist()]
