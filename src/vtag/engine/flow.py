"""Blocks of texts on their way through prepare, engine and decode, in order, one read ahead."""

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

from vtag.engine.packing import blocks, one_ahead
from vtag.errors import InputError, error
from vtag.tagger import Batch
from vtag.types import Span, Window

Prepare = Callable[[list[Any], int], Batch]
Start = Callable[[Sequence[Window]], Future[list[np.ndarray]]]
Finish = Callable[[Batch, list[np.ndarray]], list[list[Span]]]
# What a block is once the engine has been asked to run it: its batches, and the text between two that is refused.
Begun = list[tuple[Batch, Future[list[np.ndarray]]] | InputError]


@dataclass(frozen=True, slots=True)
class Block:
    """Texts, or lists of words, that are prepared at once.

    first: the index of the first one, by which an error names it.
    last: whether it is the last one of its chunk.
    """

    items: list[Any]
    first: int = 0
    last: bool = True


def blocks_of(chunks: Iterable[Sequence[Any]]) -> Iterator[Block]:
    """The blocks of each chunk, at least one."""
    for chunk in chunks:
        held = Block([])
        for first, items in blocks(chunk):
            if held.items:
                yield Block(held.items, held.first, last=False)
            held = Block(items, first)
        yield held


def flow(
    given: Iterable[Block], prepare: Prepare, start: Start, finish: Finish, helper: Executor, *, apart: bool
) -> Generator[tuple[list[list[Span] | InputError], int]]:
    """The answers of each chunk, in order, and its count of tokens; errors come after all that was before them.

    `given` is read, and answers are decoded, in this thread, while `helper` prepares the next block. `apart`: the
    engine runs only when neither is done. Where it has all of few cores, its threads share each product evenly, and
    wait for the one whose core another has taken.
    """
    answers = _flow(given, prepare, start, finish, helper, apart)
    _open.add(answers)
    return answers


_open: WeakSet[Generator[Any]] = WeakSet()


@atexit.register
def _close_open() -> None:
    """Close what was read in part. Later, when the interpreter frees it, the modules that it needs are gone."""
    for answers in list(_open):
        with suppress(ValueError):  # a thread reads it
            answers.close()


def _flow(
    given: Iterable[Block], prepare: Prepare, start: Start, finish: Finish, helper: Executor, apart: bool
) -> Generator[tuple[list[list[Span] | InputError], int]]:
    process = os.getpid()  # in a fork of it nobody works on what was begun
    in_hand: deque[Future[Begun]] = deque(maxlen=2)
    decoded = Event()  # whether the block before the one that is begun is
    decoded.set()

    def begin(block: Block) -> tuple[Block, Future[Begun]]:
        if apart and in_hand:
            wait(_runs(in_hand[-1]))
            decoded.clear()
        in_hand.append(helper.submit(_begin, block, prepare, start, decoded))
        return block, in_hand[-1]

    answers: list[list[Span] | InputError] = []
    tokens = 0
    try:
        for block, begun in one_ahead(map(begin, given)):
            for part in begun.result():
                if isinstance(part, InputError):
                    answers.append(part)
                    continue
                batch, logits = part
                answers += finish(batch, logits.result())
                tokens += sum(len(window.ids) for window in batch.windows)
            decoded.set()
            if block.last:
                yield answers, tokens
                if os.getpid() != process:
                    raise error("forked")
                answers, tokens = [], 0
    finally:
        if os.getpid() == process:
            decoded.set()
            for begun in in_hand:
                if not begun.cancel():
                    for run in _runs(begun):
                        run.cancel()


def _begin(block: Block, prepare: Prepare, start: Start, decoded: Event) -> Begun:
    parts = list(_batches(block.items, block.first, prepare))
    decoded.wait()
    return [part if isinstance(part, InputError) else (part, start(part.windows)) for part in parts]


def _batches(items: list[Any], first: int, prepare: Prepare) -> Iterator[Batch | InputError]:
    """One batch; where a text is bad, what is before and behind it in batches of their own, its error between them."""
    try:
        batch = prepare(items, first)
    except InputError as refused:
        if len(items) == 1:
            yield refused
            return
        half = len(items) // 2
        yield from _batches(items[:half], first, prepare)
        yield from _batches(items[half:], first + half, prepare)
    else:
        yield batch


def _runs(begun: Future[Begun]) -> list[Future[list[np.ndarray]]]:
    """What the engine was asked for, once the block is prepared."""
    if begun.exception() is not None:
        return []
    return [part[1] for part in begun.result() if not isinstance(part, InputError)]
