"""Coalesces concurrent calls into batches that run in a thread pool."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Coalescer(Generic[Item, Result]):
    """`await coalescer(item)`: the result of `function([..., item, ...])` for that item. Cancelled callers are dropped.

    function: runs in a thread; returns a result for each item, or the exception to raise for it.
    most: the size of one batch, which bounds the waiting time; size: what an item counts for.
    """

    def __init__(
        self,
        function: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        threads: Executor,
        *,
        most: int = 128,
        size: Callable[[Item], int] = lambda item: 1,
    ) -> None:
        self._function = function
        self._threads = threads
        self._most = most
        self._size = size
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._driver: asyncio.Task[None] | None = None
        self._running: asyncio.Future[Sequence[Result | Exception]] | None = None

    @property
    def busy(self) -> bool:
        """Whether a call runs or waits."""
        return self._driver is not None

    async def pause(self) -> None:
        """Wait for the call that runs now."""
        if self._running is not None:
            await asyncio.wait([self._running])

    async def __call__(self, item: Item) -> Result:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, done))
        if self._driver is None:
            self._driver = loop.create_task(self._drive())
        return await done

    async def _drive(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next():
                try:
                    items = [item for item, _ in batch]
                    self._running = loop.run_in_executor(self._threads, self._function, items)
                    results = await self._running
                except Exception as failed:
                    results = [failed] * len(batch)
                for (_, done), result in zip(batch, results, strict=True):
                    if done.done():
                        continue
                    if isinstance(result, Exception):
                        done.set_exception(result)
                    else:
                        done.set_result(result)
        finally:
            self._driver = self._running = None

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        room = self._most
        while self._waiting and (not batch or self._size(self._waiting[0][0]) <= room):
            item, done = self._waiting.popleft()
            if not done.done():
                batch.append((item, done))
                room -= self._size(item)
        return batch
