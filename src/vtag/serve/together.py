"""What waits goes together: many small calls of a function as few large ones, in a thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Together(Generic[Item, Result]):
    """`await together(item)`: the result of `function([..., item, ...])` for that item.

    function: runs in a thread; gives a result for each item, or the exception that is its result.
    most: items of one call, so that nobody waits long for others'.
    Who is not waited for any more is left out.
    """

    def __init__(
        self, function: Callable[[Sequence[Item]], Sequence[Result | Exception]], threads: Executor, most: int = 128
    ) -> None:
        self._function = function
        self._threads = threads
        self._most = most
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._driver: asyncio.Task[None] | None = None

    async def settled(self) -> None:
        """Returns once nothing runs or waits."""
        while self._driver is not None:
            await asyncio.wait([self._driver])

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
                    results = await loop.run_in_executor(self._threads, self._function, [item for item, _ in batch])
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
            self._driver = None

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._most:
            item, done = self._waiting.popleft()
            if not done.done():
                batch.append((item, done))
        return batch
