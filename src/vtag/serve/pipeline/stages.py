"""Requests cut into pieces, and pieces of any requests prepared or finished together."""

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
from vtag.types import Coverage, Span

Item = TypeVar("Item")

# Limits of a piece, texts and characters: small enough to let others in between, large enough to fill a step together.
PIECE_TEXTS = 64
PIECE_SIZE = LONG_TEXT


@dataclass(frozen=True, slots=True, eq=False)
class Tagged:
    """Texts with their results: the spans, the logits of each window of the batch, and how each text was read."""

    batch: Batch
    logits: Sequence[np.ndarray]
    spans: list[list[Span]]
    coverage: list[Coverage]


# Returns the JSON of each text.
Render = Callable[[Tagged, Tagger], list[bytes]]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Texts of a request that are processed together; lists of words where `words` is true.

    first: index of the first one in its request. size: characters. most: limit of its request's tokens.
    render: makes the JSON of each text; it is sent to other processes, and so must be picklable.
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
        """Whether it is one long text."""
        return self.size > PIECE_SIZE


class Done(NamedTuple):
    """The result of a piece: JSON of each text, the number of spans of each label, and how all texts were read."""

    rows: list[bytes]
    labels: Counter[str]
    coverage: Coverage


def characters(item: str | Sequence[str]) -> int:
    """The length of a text, or of words with a space between them."""
    return len(item) if isinstance(item, str) else sum(map(len, item)) + max(len(item) - 1, 0)


def cut(
    items: Sequence[Any], sizes: Sequence[int], render: Render, *, options: BoundOptions, words: bool, most: int
) -> Iterator[Piece]:
    """Cut a request into pieces, in order; sizes: `characters` of each item."""
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
    """Prepare pieces together: the batch of each piece, or the error of its first text that cannot be tagged."""
    batches: dict[Piece, Batch | Exception] = {}
    for words, pieces in _by_kind(waiting, lambda piece: piece.words):
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
    """Decode pieces together, from their batches and the logits of each window: the result of each piece, or its
    exception.
    """
    done: dict[Piece, Done | Exception] = {}
    for _, group in _by_kind(waiting, lambda one: one[0].options):
        batch = Batch.joined([batch for _, batch, _ in group])
        # Texts with errors do not get this far.
        found = cast("Iterator[list[Span]]", iter(tagger.finish(batch, [row for _, _, rows in group for row in rows])))
        for piece, batch, rows in group:
            spans = [next(found) for _ in piece.items]
            try:
                coverage = batch.coverage()
                rendered = piece.render(Tagged(batch, rows, spans, coverage), tagger)
                labels = Counter(span.label for row in spans for span in row)
                done[piece] = Done(rendered, labels, Coverage.sum(coverage))
            except Exception as failed:
                done[piece] = failed
    return [done[piece] for piece, _, _ in waiting]


def _by_kind(waiting: Sequence[Item], kind: Callable[[Item], Any]) -> Iterator[tuple[Any, list[Item]]]:
    """Items grouped by kind."""
    groups: dict[Any, list[Item]] = {}
    for one in waiting:
        groups.setdefault(kind(one), []).append(one)
    yield from groups.items()
