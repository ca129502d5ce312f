"""Texts into blocks, windows into engine requests. Many windows share a request on the packed route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np

# A block is what is read ahead of the engine: enough texts to fill several requests, and never many long ones: so many
# texts, or so many characters (or words) in all.
BLOCK_TEXTS = 2048
BLOCK_SIZE = 1 << 20


def blocks(items: Iterable[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Runs of texts (or of lists of words) with the index of the first: (index, items)."""
    first, block, size = 0, [], 0
    for index, item in enumerate(items):
        block.append(item)
        size += len(item) if isinstance(item, Sized) else 1  # what is no text will be refused, with its index
        if len(block) == BLOCK_TEXTS or size >= BLOCK_SIZE:
            yield first, block
            first, block, size = index + 1, [], 0
    if block:
        yield first, block


def packs(lengths: Sequence[int] | np.ndarray, limit: int) -> Iterator[np.ndarray]:
    """Indices of the windows of each request, int64: at most `limit` tokens a request.

    Sorted by length, so that a request holds few different lengths: texts of equal length are computed together.
    """
    order = np.argsort(lengths, kind="stable")
    ends = np.cumsum(np.asarray(lengths, dtype=np.int64)[order])
    first = 0
    while first < len(order):
        used = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, used + limit, side="right")), first + 1)
        yield order[first:last]
        first = last
