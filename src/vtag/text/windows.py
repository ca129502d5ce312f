"""Cut texts that are longer than the model's limit into overlapping windows, without losing a token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np

from vtag.errors import error
from vtag.text.line_breaks import stretches
from vtag.types import Coverage, Encoding, Window, make_many

# Cut long stretches well below the limit: unrelated context costs more accuracy than missing distant context.
_SHARE, _LEAST = 4, 64


def make_windows(
    encodings: Sequence[Encoding],
    max_length: int,
    stride: int | None = None,
    *,
    by_lines: bool = False,
    most: int | None = None,
) -> list[Window]:
    """Windows of at most `max_length` tokens, special tokens included, over each text, in order.

    `stride` tokens of neighbouring windows overlap (default: a quarter of what fits between the special tokens). Cuts
    move back to the nearest word boundary, so that a word is split only if it is longer than a window allows. Special
    tokens at the ends of the whole text are repeated at the ends of each window.
    `by_lines`: a text that does not fit is cut at line ends first; longer stretches are cut into windows of a quarter
    of `max_length` (at least 64 tokens).
    `most`: raises InputError, before any window is made, if they have more tokens together.
    """
    sizes = [len(encoding.ids) for encoding in encodings]
    room_left = _Room(most)
    if sizes and 0 < min(sizes) <= max(sizes) <= max_length:
        room_left.take(sum(sizes))
        ids = [encoding.ids for encoding in encodings]
        return make_many(Window, ids, range(len(sizes)), repeat(0), sizes, repeat(0))
    places: list[_Place] = []
    for text, (encoding, size) in enumerate(zip(encodings, sizes, strict=True)):
        if size == 0:
            continue
        if size <= max_length:
            room_left.take(size)
            places.append(_Place(text, 0, size))
            continue
        prefix, suffix = special_ends(encoding)
        room = body_size(encoding, max_length)
        if by_lines:
            parts = stretches(encoding, prefix, size - suffix)
            narrow = min(room, max(max_length // _SHARE, _LEAST) - prefix - suffix)
        else:
            parts, narrow = [(prefix, size - suffix)], room
        overlap = narrow // 4 if stride is None else stride
        check_stride(overlap, narrow)
        boundaries = _boundaries(encoding)
        for first, last in parts:
            cuts = [(first, last)] if last - first <= room else _cuts(boundaries, first, last, narrow, overlap)
            for start, end in cuts:
                room_left.take(end - start + prefix + suffix)
                places.append(_Place(text, start, end, prefix, suffix))
    return [_window(encodings[place.text], place) for place in places]


def hf_windows(
    encodings: Sequence[Encoding], max_length: int, stride: int, *, from_end: bool = False, most: int | None = None
) -> list[Window]:
    """The windows of `tokenizer(text, truncation=True, stride=stride, return_overflowing_tokens=True)`, in its order.

    `from_end`: the tokenizer's truncation_side is "left". `most`: as for `make_windows`.
    """
    room_left = _Room(most)
    places: list[_Place] = []
    for text, encoding in enumerate(encodings):
        size = len(encoding.ids)
        prefix, suffix = special_ends(encoding)
        room = body_size(encoding, max_length)
        check_stride(stride, room)
        body = size - prefix - suffix
        if body <= room:
            if size:
                room_left.take(size)
                places.append(_Place(text, 0, size))
            continue
        for begin in range(0, max(body - stride, 1), room - stride):
            end = min(begin + room, body)
            start, stop = (body - end, body - begin) if from_end else (begin, end)
            room_left.take(stop - start + prefix + suffix)
            places.append(_Place(text, prefix + start, prefix + stop, prefix, suffix))
    return [_window(encodings[place.text], place) for place in places]


def coverage(encodings: Sequence[Encoding], windows: Sequence[Window]) -> list[Coverage]:
    """How the windows cover each text. Raises EngineError if a token of a text is in no window."""
    sizes = np.array([len(encoding.ids) for encoding in encodings], np.int64)
    first, total = np.cumsum(sizes) - sizes, int(sizes.sum())
    text = np.array([window.text for window in windows], np.int64)
    opened = np.bincount(first[text] + np.array([window.start for window in windows], np.int64), minlength=total + 1)
    closed = np.bincount(first[text] + np.array([window.end for window in windows], np.int64), minlength=total + 1)
    if (np.cumsum(opened - closed)[:total] < 1).any():
        raise error("text_not_covered")
    counts = np.bincount(text, minlength=len(encodings))
    return list(map(Coverage, sizes.tolist(), counts.tolist()))


def special_ends(encoding: Encoding) -> tuple[int, int]:
    """How many special tokens the tokenizer added before and after the text."""
    body = np.flatnonzero(~encoding.special)
    if len(body) == 0:
        return len(encoding.ids), 0
    return int(body[0]), len(encoding.ids) - 1 - int(body[-1])


def body_size(encoding: Encoding, max_length: int) -> int:
    """How many tokens of the text itself fit into a window."""
    room = max_length - sum(special_ends(encoding))
    if room < 1:
        raise error("window_too_small", max_length=max_length)
    return room


def check_stride(stride: int, room: int) -> None:
    """Raise SettingError for an overlap as large as the window, with which windows would never advance."""
    if not 0 <= stride < room:
        raise error("bad_stride", stride=stride, most=room - 1)


class _Room:
    """Counts the tokens of windows before they exist."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._taken = 0

    def take(self, tokens: int) -> None:
        """Raise InputError if the windows would have too many tokens."""
        self._taken += tokens
        if self._most is not None and self._taken > self._most:
            raise error("too_many_tokens", limit=self._most)


class _Place(NamedTuple):
    """A text, a range of its tokens, and the special tokens around it that do not belong to the range."""

    text: int
    start: int
    end: int
    prefix: int = 0
    suffix: int = 0


def _window(encoding: Encoding, place: _Place) -> Window:
    """A window over a whole text or a part of it; the first and last windows own the text's special tokens."""
    text, start, end, prefix, suffix = place
    size = len(encoding.ids)
    if not prefix + suffix:
        return Window(encoding.ids[start:end], text, start, end)
    ids = np.concatenate([encoding.ids[:prefix], encoding.ids[start:end], encoding.ids[size - suffix :]])
    own_prefix = 0 if start == prefix else prefix
    return Window(ids, text, 0 if start == prefix else start, size if end == size - suffix else end, own_prefix)


def _cuts(
    boundaries: tuple[np.ndarray, np.ndarray], first: int, last: int, room: int, overlap: int
) -> Iterator[tuple[int, int]]:
    """Overlapping ranges of the body [first, last), at most `room` long, each starting after the one before."""
    strong, weak = boundaries
    start = end = first
    while start + room < last:
        # Lower bound of a cut, so that windows stay reasonably full and always advance.
        low = max(start + room // 2, start + overlap + 1, end + 1)
        end = _last_boundary(strong, weak, low, start + room)
        yield start, end
        start = _last_boundary(strong, weak, max(start + 1, end - overlap - room // 4), end - overlap)
    yield start, last


def _last_boundary(strong: np.ndarray, weak: np.ndarray, low: int, high: int) -> int:
    """The last cut in [low, high]: between words, else between the tokenizer's words, else at `high`."""
    for places in (strong, weak):
        i = int(np.searchsorted(places, high, side="right")) - 1
        if i >= 0 and places[i] >= low:
            return int(places[i])
    return high


def _boundaries(encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """Sorted token positions p where a cut before token p splits no word: after white space (or between the caller's
    words), and between the tokenizer's own words.
    """
    word_ids = encoding.word_ids
    weak = np.flatnonzero(word_ids[1:] != word_ids[:-1]) + 1
    if encoding.words is not None or encoding.offsets is None:
        return weak, weak
    codes = np.frombuffer(encoding.text.encode("utf-32-le"), dtype=np.uint32)
    space = np.zeros(len(codes) + 1, dtype=bool)
    for code in np.unique(codes):
        if chr(code).isspace():
            space[:-1] |= codes == code
    start, before = encoding.offsets[1:, 0], encoding.offsets[:-1, 1]
    # White space may be before the token, at its own start, or at the end of the token before it.
    spaces = np.concatenate([[0], np.cumsum(space)])
    gap = spaces[start] - spaces[np.minimum(before, start)] > 0
    after_space = (before > 0) & space[np.maximum(before - 1, 0)]
    strong = np.flatnonzero((space[start] & (start >= before)) | gap | after_space) + 1
    return strong, weak
