"""Cut a stream of texts into batches: by count or by characters, whichever limit comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

Item = TypeVar("Item")

# Limits of a batch, which is read ahead of the engine: enough texts to fill several requests, and never many long ones.
# Files commit by the same limits. Words count as characters where texts are lists of words.
BATCH_TEXTS = 2048
BATCH_CHARACTERS = 1 << 20


class BatchFill:
    """Tracks how full a batch of at most `items` texts and about `size` characters is."""

    __slots__ = ("_items", "_most_items", "_most_size", "_size")

    def __init__(self, items: int, size: int) -> None:
        self._most_items, self._most_size = items, size
        self.clear()

    def clear(self) -> None:
        """Start the next batch."""
        self._items = self._size = 0

    def add(self, size: int) -> bool:
        """Add an item of this size; returns whether it completes the batch."""
        self._items += 1
        self._size += size
        return self._items == self._most_items or self._size >= self._most_size

    def ends_before(self, size: int) -> bool:
        """Whether an item of this size must start the next batch: this one is full, or would become too large."""
        return self._items > 0 and (self._items == self._most_items or self._size + size > self._most_size)


def batches(items: Iterable[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Batches of texts (or of lists of words), each with the index of its first: (index, items).

    An exception of `items` is raised after everything that came before it.
    """
    first = 0
    block: list[Any] = []
    filling = BatchFill(BATCH_TEXTS, BATCH_CHARACTERS)
    try:
        for item in items:
            block.append(item)
            if filling.add(len(item) if isinstance(item, Sized) else 1):  # other types are refused later
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
    """Yield each item once the next one was requested; an exception of `items` is raised after all earlier items."""
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
