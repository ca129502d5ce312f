"""Requests in pieces, and many pieces prepared or finished at once, whoever asked for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from vtag.options import BoundOptions
from vtag.serve.limits import LONG_TEXT
from vtag.tagger import Batch, Tagger
from vtag.text.batching import BatchFill
from vtag.types import Span

Item = TypeVar("Item")

# Texts, and characters of them: little enough that others come in between, enough to fill a turn together.
PIECE_TEXTS = 64
PIECE_SIZE = LONG_TEXT


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
    """Texts of a request that go through together; lists of words where `words` is true.

    first: index of the first one in its request. size: characters. most: tokens of its request's windows.
    render: what is made of each text for the answer, as JSON; it goes to other processes, and so must pickle.
    """

    options: BoundOptions
    words: bool
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


def cut(
    items: Sequence[Any], sizes: Sequence[int], render: Render, *, options: BoundOptions, words: bool, most: int
) -> Iterator[Piece]:
    """A request in pieces, in order; sizes: `characters` of each item."""
    filling = BatchFill(PIECE_TEXTS, PIECE_SIZE)
    starts: list[int] = []
    for at, size in enumerate(sizes):
        if at == 0 or filling.ends_before(size):
            starts.append(at)
            filling.clear()
        filling.add(size)
    for first, end in pairwise([*starts, len(items)]):
        yield Piece(options, words, first, items[first:end], sum(sizes[first:end]), most, render)


def prepare(tagger: Tagger, waiting: Sequence[Piece]) -> list[Batch | Exception]:
    """The batch of each piece, or why there is none: the error of its first text that cannot be tagged."""
    batches: dict[Piece, Batch | Exception] = {}
    for words, pieces in _alike(waiting, lambda piece: piece.words):
        items = [item for piece in pieces for item in piece.items]
        indices = [piece.first + i for piece in pieces for i in range(len(piece.items))]
        encodings, errors = tagger.encode(items, indices, words=words)
        end = 0
        for piece in pieces:
            start, end = end, end + len(piece.items)
            refused = next((errors[text] for text in range(start, end) if text in errors), None) if errors else None
            try:
                batches[piece] = refused or tagger.cut(encodings[start:end], {}, piece.options, piece.most)
            except Exception as failed:
                batches[piece] = failed
    return [batches[piece] for piece in waiting]


def finish(tagger: Tagger, waiting: Sequence[tuple[Piece, Batch, Sequence[np.ndarray]]]) -> list[Done | Exception]:
    """What is made of the texts of each piece, from its batch and the logits of each window, or why nothing is."""
    done: dict[Piece, Done | Exception] = {}
    for _, group in _alike(waiting, lambda one: one[0].options):
        batch = Batch.joined([batch for _, batch, _ in group])
        # None of these texts was refused.
        found = cast("Iterator[list[Span]]", iter(tagger.finish(batch, [row for _, _, rows in group for row in rows])))
        for piece, batch, rows in group:
            spans = [next(found) for _ in piece.items]
            try:
                rendered = piece.render(Tagged(batch, rows, spans), tagger)
                done[piece] = Done(rendered, Counter(span.label for row in spans for span in row))
            except Exception as failed:
                done[piece] = failed
    return [done[piece] for piece, _, _ in waiting]


def _alike(waiting: Sequence[Item], kind: Callable[[Item], Any]) -> Iterator[tuple[Any, list[Item]]]:
    """What goes together: all of a kind."""
    groups: dict[Any, list[Item]] = {}
    for one in waiting:
        groups.setdefault(kind(one), []).append(one)
    yield from groups.items()
