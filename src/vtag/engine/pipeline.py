"""Batches of texts through prepare, engine and decode, in order, with one batch read ahead."""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Any
from weakref import WeakSet

import numpy as np

from vtag.errors import error
from vtag.tagger import Batch
from vtag.text.batching import batches, one_ahead
from vtag.types import Answer, ChunkAnswers, Coverage, Window

Prepare = Callable[..., Batch]
Start = Callable[[Sequence[Window]], Future[list[np.ndarray]]]
Finish = Callable[[Batch, list[np.ndarray]], list[Answer]]
# A prepared batch, and the engine's future logits.
Begun = tuple[Batch, Future[list[np.ndarray]]]


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Texts, or lists of words, that are prepared at once.

    first: the index of the first one, for error messages.
    last: whether it is the last batch of its chunk.
    """

    items: list[Any]
    first: int = 0
    last: bool = True


def batches_of(chunks: Iterable[Sequence[Any]]) -> Iterator[TextBatch]:
    """The batches of each chunk, at least one."""
    for chunk in chunks:
        held = TextBatch([])
        for first, items in batches(chunk):
            if held.items:
                yield TextBatch(held.items, held.first, last=False)
            held = TextBatch(items, first)
        yield held


def flow(
    source: Iterable[TextBatch], prepare: Prepare, start: Start, finish: Finish, helper: Executor, *, apart: bool
) -> Generator[ChunkAnswers]:
    """The answers of each chunk, in order; exceptions are raised after all earlier answers.

    `source` is read, and answers are decoded, in this thread, while `helper` prepares the next batch. `apart`: the
    engine runs only when neither is active. With two cores or fewer, concurrent work stalls OpenMP's evenly split
    matmuls.
    """
    answers = _flow(source, prepare, start, finish, helper, apart)
    _open.add(answers)
    return answers


_open: WeakSet[Generator[Any]] = WeakSet()


@atexit.register
def _close_open() -> None:
    """Close unfinished generators at exit, before the interpreter frees the modules that they need."""
    for answers in list(_open):
        with suppress(ValueError):  # a thread is reading it
            answers.close()


def _flow(
    source: Iterable[TextBatch], prepare: Prepare, start: Start, finish: Finish, helper: Executor, apart: bool
) -> Generator[ChunkAnswers]:
    process = os.getpid()  # a fork must not wait for the parent's work
    in_hand: deque[Future[Begun]] = deque(maxlen=2)
    decoded = Event()  # whether the batch before the current one is decoded
    decoded.set()

    def begin(block: TextBatch) -> tuple[TextBatch, Future[Begun]]:
        if apart and in_hand:
            if in_hand[-1].exception() is None:
                wait([in_hand[-1].result()[1]])
            decoded.clear()
        in_hand.append(helper.submit(_begin, block, prepare, start, decoded))
        return block, in_hand[-1]

    answers: list[Answer] = []
    covered: list[Coverage] = []
    tokens = 0
    try:
        for block, begun in one_ahead(map(begin, source)):
            batch, logits = begun.result()
            answers += finish(batch, logits.result())
            covered += batch.coverage()
            tokens += sum(len(window.ids) for window in batch.windows)
            decoded.set()
            if block.last:
                yield ChunkAnswers(answers, covered, tokens)
                if os.getpid() != process:
                    raise error("forked")
                answers, covered, tokens = [], [], 0
    finally:
        if os.getpid() == process:
            decoded.set()
            for begun in in_hand:
                if not begun.cancel() and begun.exception() is None:
                    begun.result()[1].cancel()


def _begin(block: TextBatch, prepare: Prepare, start: Start, decoded: Event) -> Begun:
    batch = prepare(block.items, first=block.first)
    decoded.wait()
    return batch, start(batch.windows)
