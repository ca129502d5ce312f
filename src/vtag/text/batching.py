"""Texts in blocks: so many of them, or so many characters in all, whichever comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

Item = TypeVar("Item")

# What is read ahead of the engine, and what a file's records are committed by: enough texts to fill several requests,
# and never many long ones. Texts, and characters (or words) of them.
BATCH_TEXTS = 2048
BATCH_CHARACTERS = 1 << 20


class BatchFill:
    """Counts what goes into a block of at most `items`, and of about `size` characters."""

    __slots__ = ("_items", "_most_items", "_most_size", "_size")

    def __init__(self, items: int, size: int) -> None:
        self._most_items, self._most_size = items, size
        self.clear()

    def clear(self) -> None:
        """Begin another block."""
        self._items = self._size = 0

    def add(self, size: int) -> bool:
        """Put in an item of this size; whether the block ends with it, since there are enough, or it is full."""
        self._items += 1
        self._size += size
        return self._items == self._most_items or self._size >= self._most_size

    def ends_before(self, size: int) -> bool:
        """Whether an item of this size belongs into another block, since this one has enough, or would be too large."""
        return self._items > 0 and (self._items == self._most_items or self._size + size > self._most_size)


def batches(items: Iterable[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Blocks of texts (or of lists of words) with the index of the first: (index, items).

    What `items` raises comes after all that it gave before.
    """
    first = 0
    block: list[Any] = []
    filling = BatchFill(BATCH_TEXTS, BATCH_CHARACTERS)
    try:
        for item in items:
            block.append(item)
            if filling.add(len(item) if isinstance(item, Sized) else 1):  # what is no text will be refused
                yield first, block
                first, block = first + len(block), []
                filling.clear()
    except Exception:
        if block:
            yield first, block
        raise
    if block:
        yield first, block


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Each item once the next one has been asked for; what `items` raises comes after all that it gave before."""
    held: list[Item] = []
    try:
        for item in items:
            held.append(item)
            if len(held) == 2:
                yield held.pop(0)
    except Exception:
        yield from held
        raise
    yield from held
