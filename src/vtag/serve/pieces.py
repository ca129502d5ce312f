"""Requests in pieces, and many pieces prepared or finished at once, whoever asked for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from vtag.errors import error
from vtag.serve.limits import LONG_TEXT
from vtag.tagger import Batch, Tagger
from vtag.types import Span

Item = TypeVar("Item")
Result = TypeVar("Result")

# Texts, and characters of them: little enough that others come in between, enough to fill a turn together.
PIECE_TEXTS = 64
PIECE_SIZE = LONG_TEXT


@dataclass(frozen=True, slots=True)
class Way:
    """How texts are tagged: those of many requests go together where this is the same.

    words: whether they come split into words. threshold: by label, where it is not one number.
    """

    words: bool
    aggregation_strategy: str
    stride: int | None
    ignore_labels: tuple[str, ...]
    threshold: float | tuple[tuple[str, float], ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Tagged:
    """Texts with what was found in them: the spans, and the logits of each window of the batch."""

    batch: Batch
    logits: Sequence[np.ndarray]
    spans: list[list[Span]]


# JSON of each text.
Render = Callable[[Tagged, Tagger], list[bytes]]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Texts of a request that go through together.

    first: index of the first one in its request. size: characters. most: tokens of its request's windows.
    render: what is made of each text for the answer, as JSON; it goes to other processes, and so must pickle.
    """

    way: Way
    first: int
    items: Sequence[Any]
    size: int
    most: int
    render: Render

    @property
    def long(self) -> bool:
        """Whether it is one text that takes long."""
        return self.size > PIECE_SIZE


class Done(NamedTuple):
    """What was made of a piece: JSON of each text, and how many spans of each label there are."""

    rows: list[bytes]
    labels: Counter[str]


def characters(item: str | Sequence[str]) -> int:
    """Of a text, or of words with a space between them."""
    return len(item) if isinstance(item, str) else sum(map(len, item)) + max(len(item) - 1, 0)


def cut(way: Way, items: Sequence[Any], sizes: Sequence[int], most: int, render: Render) -> Iterator[Piece]:
    """A request in pieces, in order; sizes: `characters` of each item."""
    first = size = 0
    for at, own in enumerate(sizes):
        if at > first and (at - first == PIECE_TEXTS or size + own > PIECE_SIZE):
            yield Piece(way, first, items[first:at], size, most, render)
            first, size = at, 0
        size += own
    if items:
        yield Piece(way, first, items[first:], size, most, render)


def prepare(tagger: Tagger, waiting: Sequence[Piece]) -> list[Batch | Exception]:
    """The batch of each piece, or why there is none."""

    def alike(pieces: Sequence[Piece]) -> list[Batch]:
        way = pieces[0].way
        items: Any = [item for piece in pieces for item in piece.items]
        batch = tagger.prepare(
            None if way.words else items,
            words=items if way.words else None,
            stride=way.stride,
            aggregation_strategy=way.aggregation_strategy,
            first=pieces[0].first,
            most_tokens=sum(piece.most for piece in pieces),
        )
        if max((int(encoding.ids.max(initial=0)) for encoding in batch.encodings), default=0) >= tagger.vocabulary:
            raise error("id_outside", size=tagger.vocabulary)
        return batch.split([len(piece.items) for piece in pieces])

    return _by_way(waiting, lambda piece: piece.way, alike)


def finish(tagger: Tagger, waiting: Sequence[tuple[Piece, Batch, Sequence[np.ndarray]]]) -> list[Done | Exception]:
    """What is made of the texts of each piece, from its batch and the logits of each window, or why nothing is."""

    def alike(done: Sequence[tuple[Piece, Batch, Sequence[np.ndarray]]]) -> list[Done]:
        way = done[0][0].way
        found = tagger.finish(
            Batch.joined([batch for _, batch, _ in done]),
            [row for _, _, rows in done for row in rows],
            ignore_labels=way.ignore_labels,
            threshold=dict(way.threshold) if isinstance(way.threshold, tuple) else way.threshold,
        )
        spans = iter(found)
        return [one(piece, Tagged(batch, rows, [next(spans) for _ in piece.items])) for piece, batch, rows in done]

    def one(piece: Piece, found: Tagged) -> Done:
        labels = Counter(span.label for spans in found.spans for span in spans)
        return Done(piece.render(found, tagger), labels)

    return _by_way(waiting, lambda one: one[0].way, alike)


def _by_way(
    waiting: Sequence[Item], way: Callable[[Item], Hashable], function: Callable[[Sequence[Item]], Sequence[Result]]
) -> list[Result | Exception]:
    """The result of each, of one call for all that are alike; what fails together is tried one by one."""
    groups: dict[Hashable, list[int]] = {}
    for at, one in enumerate(waiting):
        groups.setdefault(way(one), []).append(at)
    results: dict[int, Result | Exception] = {}
    for group in groups.values():
        try:
            results.update(zip(group, function([waiting[at] for at in group]), strict=True))
        except Exception as failed:
            if len(group) == 1:
                results[group[0]] = failed
            else:
                for at in group:
                    results[at] = _by_way([waiting[at]], way, function)[0]
    return [results[at] for at in range(len(waiting))]
