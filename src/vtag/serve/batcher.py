"""Requests in, turns of the engine out, one in flight: what waits shares the next turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vtag.engine.online import AsyncEngine
from vtag.types import Window


@dataclass(slots=True, eq=False)
class Job:
    """The windows of one request.

    taken: how many of them the engine has had, or has. rows: the logits of those that are done, in order.
    """

    windows: Sequence[Window]
    done: asyncio.Future[list[np.ndarray]]
    taken: int = 0
    rows: list[np.ndarray] = field(default_factory=list)


class Batcher:
    """Shares an engine's turns among requests: those that wait go together, and a long one lets others in between."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._jobs: deque[Job] = deque()
        self._driver: asyncio.Task[None] | None = None

    async def run(self, windows: Sequence[Window]) -> list[np.ndarray]:
        """Logits of each window, float32 [tokens, labels]."""
        if not windows:
            return []
        self._engine.check(windows)
        job = Job(windows, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        if self._driver is None:
            self._driver = asyncio.create_task(self._drive())
        return await job.done

    async def _drive(self) -> None:
        try:
            while turn := next_turn(self._jobs, self._engine.turn_tokens, self._engine.turn_windows):
                await self._take(turn)
        finally:
            self._driver = None

    async def _take(self, turn: list[tuple[Job, int]]) -> None:
        windows = [window for job, taken in turn for window in job.windows[job.taken - taken : job.taken]]
        try:
            rows = iter(await self._engine.run(windows))
        except Exception as failed:
            for job, _ in turn:
                job.taken = len(job.windows)
                if not job.done.done():
                    job.done.set_exception(failed)
            return
        for job, taken in turn:
            job.rows += [next(rows) for _ in range(taken)]
            if len(job.rows) == len(job.windows) and not job.done.done():
                job.done.set_result(job.rows)


def next_turn(jobs: deque[Job], tokens: int, windows: int) -> list[tuple[Job, int]]:
    """What shares the next turn: from each job in line, as many of its windows as there is room for.

    A window of more than `tokens` runs alone. Who had some and wants more goes to the end of the line; who is through,
    or is not waited for any more, leaves it.
    """
    turn: list[tuple[Job, int]] = []
    passed: list[Job] = []
    while jobs and tokens > 0 and windows > 0:
        job = jobs.popleft()
        if job.done.done():
            continue
        first = job.taken
        while job.taken < len(job.windows) and windows > 0:
            size = len(job.windows[job.taken].ids)
            if size > tokens and (turn or job.taken > first):
                break
            tokens, windows, job.taken = tokens - size, windows - 1, job.taken + 1
        if job.taken > first:
            turn.append((job, job.taken - first))
        else:
            passed.append(job)
    jobs.extendleft(reversed(passed))
    jobs.extend(job for job, _ in turn if job.taken < len(job.windows))
    return turn
