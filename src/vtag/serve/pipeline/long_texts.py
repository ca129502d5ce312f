"""Long texts: each is prepared and decoded in a process of its own, so that no other request waits for it.

Preparing a million tokens holds the GIL for up to a second, and decoding them takes a core for twenty. In a separate
process a text costs the server only the transfer of its bytes; the process has a low priority, and is killed when its
client disconnects. The processes are forks of one that was forked before the server had any threads.
"""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from vtag.errors import error
from vtag.serve.limits import LONG_COMPUTING, LONG_PROCESSES
from vtag.serve.pipeline.stages import Done, Piece, finish, prepare
from vtag.system.memory import keep_freed
from vtag.tagger import Tagger
from vtag.types import Window

NICE = 19
NAME = b"vtag-long"
_DEATH_SIGNAL, _SET_NAME = 1, 15  # options of prctl

Run = Callable[[Sequence[Window], int], Awaitable[list[np.ndarray]]]


def start(tagger: Tagger) -> socket.socket:
    """Fork the process that forks for each text; call it before there are threads. The socket is for `LongTexts`."""
    ours, theirs = socket.socketpair()
    if os.fork():
        theirs.close()
        return ours
    try:
        ours.close()
        _serve_forks(theirs, tagger)
    finally:
        os._exit(0)


class LongTexts:
    """`await through(piece, run)`: prepares, runs and decodes a long text.

    run: takes windows and the text's number of tokens, returns the logits of each window.
    """

    def __init__(self, forks: socket.socket) -> None:
        self._forks = forks
        self._threads = ThreadPoolExecutor(LONG_PROCESSES, thread_name_prefix="vtag-long")
        self._places, self._computing = ShortestFirstLimit(LONG_PROCESSES), ShortestFirstLimit(LONG_COMPUTING)

    async def run(self, piece: Piece, run: Run) -> Done:
        """Run a piece; shorter texts overtake longer ones that wait for a slot."""
        async with self._places.slot(piece.size):
            ours, theirs = socket.socketpair()
            with theirs:
                socket.send_fds(self._forks, [b"f"], [theirs.fileno()])
            connection = Connection(ours.detach())
            pid: int | None = None
            try:
                async with self._computing.slot(piece.size):
                    pid = await self._call(connection.recv)
                    windows, tokens = await self._call(_prepared, connection, piece)
                logits = await run(windows, tokens)
                async with self._computing.slot(piece.size):
                    return await self._call(_finished, connection, logits)
            finally:
                if pid is not None:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                # In a worker thread: another one may still be reading.
                self._threads.submit(connection.close)

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
        except (EOFError, OSError) as gone:
            raise error("text_died") from gone


class ShortestFirstLimit:
    """Limits concurrency; waiting callers proceed in order of size, the smallest first."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    @asynccontextmanager
    async def slot(self, size: int) -> AsyncIterator[None]:
        """Context of the work."""
        if self._free:
            self._free -= 1
        else:
            mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (size, next(self._order), mine))
            try:
                await mine
            except asyncio.CancelledError:
                if mine.done() and not mine.cancelled():
                    self._leave()
                raise
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        while self._waiting:
            _, _, first = heapq.heappop(self._waiting)
            if not first.done():
                first.set_result(None)
                return
        self._free += 1


def _prepared(connection: Connection, piece: Piece) -> tuple[list[Window], int]:
    """In a thread of the server: have the process prepare a text; returns its windows and its number of tokens."""
    connection.send(piece)
    answer = connection.recv()
    if isinstance(answer, Exception):
        raise answer
    ids, lengths, tokens = answer
    ends = np.cumsum(lengths)
    parts = np.split(ids, ends[:-1]) if len(lengths) else []
    return [Window(part, 0, 0, len(part)) for part in parts], tokens


def _finished(connection: Connection, logits: list[np.ndarray]) -> Done:
    """In a thread of the server: have the process decode a text."""
    connection.send([row.shape for row in logits])
    for row in logits:
        connection.send_bytes(np.ascontiguousarray(row).data)
    answer: Done | Exception = connection.recv()
    if isinstance(answer, Exception):
        raise answer
    return answer


def _serve_forks(requests: socket.socket, tagger: Tagger) -> None:
    """Fork for each message, which carries one end of a connection."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _end_with_parent()
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1, 1)
        if not message:
            return
        if not os.fork():
            requests.close()
            _end_with_parent()
            os.nice(NICE)
            with suppress(EOFError, OSError):
                _work(Connection(descriptors[0]), tagger)
            return
        os.close(descriptors[0])


def _work(connection: Connection, tagger: Tagger) -> None:
    """Prepare and decode one text."""
    keep_freed()  # a tokenizer allocates and frees hundreds of megabytes: saves two fifths of its time
    connection.send(os.getpid())
    piece: Piece = connection.recv()
    (batch,) = prepare(tagger, [piece])
    if isinstance(batch, Exception):
        connection.send(batch)
        return
    lengths = [len(window.ids) for window in batch.windows]
    ids = np.concatenate([window.ids for window in batch.windows]) if lengths else np.zeros(0, np.int32)
    connection.send((ids, lengths, sum(len(encoding.ids) for encoding in batch.encodings)))
    shapes = connection.recv()
    logits = [np.frombuffer(connection.recv_bytes(), np.float32).reshape(shape) for shape in shapes]
    (done,) = finish(tagger, [(piece, batch, logits)])
    connection.send(done)


def _end_with_parent() -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(_DEATH_SIGNAL, signal.SIGKILL)
    libc.prctl(_SET_NAME, NAME)
