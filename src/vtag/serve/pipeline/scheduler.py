"""Schedules windows into steps of the engine, one in flight: waiting windows share the next step, fairly by client."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Collection, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vtag.engine.async_engine import AsyncEngine
from vtag.errors import ModelError
from vtag.serve import metrics
from vtag.serve.pipeline.coalescer import Coalescer
from vtag.types import Window

# How long a step waits for the clients of the steps before it, who often send more: fuller steps are cheaper.
COLLECT_SECONDS = 0.002
# Requests up to so many tokens are small.
SMALL_TOKENS = 512
# Engine time of one step for large requests while small ones arrive.
QUANTUM_SECONDS = 0.02
LEAST_QUANTUM = 128.0  # tokens: below, the fixed cost of a step dominates
# The same as a multiple while no small requests arrive; the next small one waits for such a step.
LONE_QUANTA = 5
# Pauses of large requests: as a multiple of the time by which their step was too long, and the longest in seconds.
PAUSE, LONGEST_PAUSE = 4, 1.0
# A client that sent a request within this time may soon send another.
RECENT_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class Job:
    """The windows of one request, or of a piece of one.

    taken: how many of them have run or are running. rows: the logits of finished windows, in order.
    since: time of arrival. tokens: of all its windows.
    """

    client: Hashable
    windows: Sequence[Window]
    done: asyncio.Future[list[np.ndarray]]
    taken: int = 0
    rows: list[np.ndarray] = field(default_factory=list)
    since: float = field(default_factory=time.perf_counter)
    tokens: int = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = sum(len(window.ids) for window in self.windows)


class FairQueue:
    """Waiting jobs, round-robin over clients, and over the jobs of each client."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, deque[Job]] = {}
        self._clients: deque[Hashable] = deque()
        # Tokens of all waiting windows.
        self.tokens = 0

    @property
    def clients(self) -> Collection[Hashable]:
        """Clients with waiting jobs."""
        return self._jobs.keys()

    def add(self, job: Job) -> None:
        """Append a job to its client's jobs."""
        self.tokens += job.tokens
        if job.client not in self._jobs:
            self._jobs[job.client] = deque()
            self._clients.append(job.client)
        self._jobs[job.client].append(job)

    def take(self, tokens: int, windows: int) -> list[tuple[Job, int]]:
        """The windows of the next step: one of each client, again and again, while the next one fits.

        A window of more than `tokens` runs alone. Removes jobs whose caller was cancelled.
        """
        taken: dict[Job, int] = {}
        while self._clients and windows > 0:
            client = self._clients[0]
            jobs = self._jobs[client]
            while jobs and (jobs[0].done.done() or jobs[0].taken == len(jobs[0].windows)):
                gone = jobs.popleft()
                self.tokens -= sum(len(window.ids) for window in gone.windows[gone.taken :])
            if not jobs:
                self._clients.popleft()
                del self._jobs[client]
                continue
            job = jobs[0]
            size = len(job.windows[job.taken].ids)
            if size > tokens and taken:
                break
            tokens, windows, self.tokens = tokens - size, windows - 1, self.tokens - size
            job.taken += 1
            taken[job] = taken.get(job, 0) + 1
            jobs.rotate(-1)
            self._clients.rotate(-1)
        return list(taken.items())


class Scheduler:
    """Shares an engine's steps among clients.

    prepare, finish: the stages before and after; a step that is not full waits for them.
    """

    def __init__(self, engine: AsyncEngine, prepare: Coalescer[Any, Any], finish: Coalescer[Any, Any]) -> None:
        self._engine = engine
        self._prepare = prepare
        self._finish = finish
        # Small and large requests, whose steps alternate.
        self._small, self._large = FairQueue(), FairQueue()
        self._last = self._large
        self._driver: asyncio.Task[None] | None = None
        # Until when large requests have no step.
        self._paused = -math.inf
        # Clients of the last steps, and those of them without a new request yet.
        self._recent: deque[set[Hashable]] = deque(maxlen=2)
        self._expected_clients: set[Hashable] = set()
        self._all_back = asyncio.Event()
        # When the last small request arrived, and its event; the size of a step for large requests while small ones
        # arrive.
        self._last_small_at = -math.inf
        self._arrived = asyncio.Event()
        self._quantum = LEAST_QUANTUM

    def arrived(self, client: Hashable) -> None:
        """Announce that a request of this client is on its way to `run`."""
        self._expected_clients.discard(client)
        if not self._expected_clients:
            self._all_back.set()

    async def run(self, windows: Sequence[Window], client: Hashable, *, large: bool) -> list[np.ndarray]:
        """Logits of each window, float32 [tokens, labels]; large: the windows are part of a large request."""
        if not windows:
            return []
        loop = asyncio.get_running_loop()
        job = Job(client, windows, loop.create_future())
        if large or job.tokens > SMALL_TOKENS:
            self._large.add(job)
        else:
            self._last_small_at = job.since
            self._small.add(job)
            self._arrived.set()
        if self._driver is None:
            self._driver = loop.create_task(self._drive())
        return await job.done

    async def _drive(self) -> None:
        try:
            while True:
                await self._collect()
                step, room = self._next_step()
                if not step and not self._large.clients:
                    break
                if not step:
                    self._arrived.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._paused - time.perf_counter()):
                            await self._arrived.wait()
                    continue
                self._recent.append({job.client for job, _ in step})
                self._expected_clients = set().union(*self._recent)
                self._all_back.clear()
                await self._run_step(step, room)
        finally:
            self._driver = None

    def _next_step(self) -> tuple[list[tuple[Job, int]], int]:
        """The windows of the next step, and the number of tokens that were allowed."""
        full = self._engine.step_tokens
        queues = [(self._small, full)]
        if time.perf_counter() >= self._paused:
            queues.insert(0 if self._last is self._small else 1, (self._large, self._step_limit()))
        for queue, room in queues:
            if step := queue.take(room, self._engine.step_windows):
                self._last = queue
                return step, room
        return [], full

    def _step_limit(self) -> int:
        """The number of tokens in the next step of large requests."""
        quanta = 1 if self._mixed() else LONE_QUANTA
        return min(int(quanta * self._quantum), self._engine.step_tokens)

    def _mixed(self) -> bool:
        """Whether small requests arrive while large ones run."""
        return self._last_small_at > time.perf_counter() - RECENT_SECONDS

    async def _collect(self) -> None:
        """Before a step, deliver the answers of the last steps, and give their clients time to send more.

        So more clients share a step, and the engine has the CPU to itself.
        """
        await asyncio.sleep(0)
        full = self._engine.step_tokens
        while self._small.tokens < full and self._finish.busy:
            await self._finish.pause()
            await asyncio.sleep(0)
        self._expected_clients.difference_update(self._small.clients, self._large.clients)
        if self._small.tokens < full and self._expected_clients:
            with suppress(TimeoutError):
                async with asyncio.timeout(COLLECT_SECONDS):
                    await self._all_back.wait()
        while self._small.tokens < full and self._prepare.busy:
            await self._prepare.pause()
            await asyncio.sleep(0)

    async def _run_step(self, step: list[tuple[Job, int]], room: int) -> None:
        windows = [window for job, count in step for window in job.windows[job.taken - count : job.taken]]
        tokens = sum(len(window.ids) for window in windows)
        start = time.perf_counter()
        for job, count in step:
            if job.taken == count:
                metrics.QUEUE_SECONDS.observe(start - job.since)
        try:
            rows = iter(await self._engine.run(windows))
        except ModelError as failed:
            if len(step) == 1:
                _fail(step, failed)
            else:  # find the request with the bad window: all others get their answers
                for one in step:
                    await self._run_step([one], room)
            return
        except Exception as failed:
            _fail(step, failed)
            return
        seconds = time.perf_counter() - start
        if self._last is self._large and tokens > room / 2:
            # Shrink at once, grow slowly: most steps are shorter then.
            self._quantum *= min(max(QUANTUM_SECONDS * tokens / self._quantum / seconds, 0.5), 1.05)
            self._quantum = max(min(self._quantum, self._engine.step_tokens), LEAST_QUANTUM)
            # A long step cannot be interrupted: pause large requests, so that small ones rarely wait for one.
            if self._mixed():
                pause = PAUSE * max(seconds - 2 * QUANTUM_SECONDS, 0)
                self._paused = time.perf_counter() + min(pause, LONGEST_PAUSE)
        metrics.STEP_SECONDS.observe(seconds)
        metrics.STEP_FILL.observe(tokens / self._engine.step_tokens)
        metrics.WINDOWS.inc(len(windows))
        metrics.TOKENS.inc(tokens)
        for job, count in step:
            job.rows += [next(rows) for _ in range(count)]
            if len(job.rows) == len(job.windows) and not job.done.done():
                job.done.set_result(job.rows)


def _fail(step: list[tuple[Job, int]], failed: Exception) -> None:
    for job, _ in step:
        if not job.done.done():
            job.done.set_exception(failed)
