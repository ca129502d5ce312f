"""Workers and their tasks: workers start while chunks wait, get one chunk at a time, and are replaced when they die.

With one chunk in flight, the text that killed a worker is among that chunk's. The chunk is retried as it is, because
machines die too; after DEATHS deaths it is retried in halves, until the text that kills workers is alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import OutOfDiskError, RayError, RayTaskError

from vtag.errors import EngineError, VtagError, error, input_error
from vtag.integrations.ray.worker import Worker, pack, unpack
from vtag.options import BoundOptions
from vtag.types import Answer, ChunkAnswers, Coverage

DEATHS = 3
# Chunks per worker that may be waiting, running or done, counted from the one that the reader needs next.
AHEAD = 4
TICK_SECONDS = 1.0
# Without a placed worker: when to notify the user, and when to give up. (A new machine takes minutes to start.)
SAY_SECONDS, GIVE_UP_SECONDS = 10, 900


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """How workers are started.

    model, engine: arguments of `LLM`. identity: what must be equal on their nodes.
    options, words: of `LLM.answers`. needs: "CPU" and "GPU" -> how many each worker takes.
    fewest, most: numbers of workers; most None: as many as the cluster has room for.
    notify: called with one-line messages for the user.
    """

    model: str
    engine: Mapping[str, Any]
    identity: Mapping[str, str]
    options: BoundOptions
    words: bool
    needs: Mapping[str, int]
    fewest: int
    most: int | None
    notify: Callable[[str], None]


@dataclass(slots=True)
class Task:
    """Texts that go to a worker together: part of one chunk, from its text `first` on. deaths: of
    workers that ran it.
    """

    chunk: int
    first: int
    texts: Sequence[Any]
    deaths: int = 0


@dataclass(slots=True)
class PartialChunk:
    """The answers of a chunk so far. left: how many are missing; packed: answers by the index of their first text."""

    left: int
    packed: dict[int, bytes] = field(default_factory=dict)
    tokens: int = 0


@dataclass(slots=True, eq=False)
class WorkerHandle:
    """An actor; the address of its node, once it is placed; and whether its engine runs."""

    actor: Any
    node: str = ""
    ready: bool = False


class Pool:
    """Tags chunks on workers and returns their answers in order."""

    def __init__(self, config: PoolConfig) -> None:
        self._config = config
        self._make = ray.remote(
            num_cpus=config.needs["CPU"],
            num_gpus=config.needs["GPU"],
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )(Worker)
        self._workers: list[WorkerHandle] = []
        self._idle: deque[WorkerHandle] = deque()
        # Pending calls -> their worker and task; no task while the worker starts, or is pinged.
        self._busy: dict[ray.ObjectRef, tuple[WorkerHandle, Task | None]] = {}
        self._waiting: deque[Task] = deque()
        self._chunks: dict[int, PartialChunk] = {}
        self._failed_starts = 0
        self._processors: set[str] = set()
        self._placed_at = time.monotonic()
        self._notified = False

    def run(self, chunks: Iterable[Sequence[Any]]) -> Generator[ChunkAnswers]:
        """The answers of each chunk, in order."""
        numbered = enumerate(chunks)
        number, more = 0, True
        while True:
            room = self._worker_limit()
            while more and len(self._waiting) < room and len(self._chunks) < AHEAD * room:
                more = self._read(next(numbered, None))
            while number in self._chunks and not self._chunks[number].left:
                done = self._chunks.pop(number)
                yield _joined(done)
                number += 1
            if not more and not self._chunks:
                return
            self._start_workers(room)
            self._assign()
            if self._busy:
                ready, _ = ray.wait(list(self._busy), num_returns=1, timeout=TICK_SECONDS)
                for ref in ready:
                    self._receive(ref)
                self._assign()  # before the reader gets finished answers, which takes it a while
                self._check_placement()

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            ray.kill(worker.actor)

    def _read(self, numbered: tuple[int, Sequence[Any]] | None) -> bool:
        if numbered is None:
            return False
        number, texts = numbered
        self._chunks[number] = PartialChunk(len(texts))
        if texts:
            self._waiting.append(Task(number, 0, texts))
        return True

    def _worker_limit(self) -> int:
        """How many workers may exist now."""
        most = self._config.most
        if most is None:
            has = ray.cluster_resources()
            most = min(int(has.get(name, 0) // count) for name, count in self._config.needs.items() if count)
        return max(1, self._config.fewest, most)

    def _assign(self) -> None:
        while self._waiting and self._idle:
            worker, task = self._idle.popleft(), self._waiting.popleft()
            self._busy[worker.actor.tag.remote(task.texts, self._config.options, self._config.words)] = worker, task

    def _start_workers(self, room: int) -> None:
        """Start a worker for each chunk beyond the workers that are starting. Workers without a place make an
        autoscaler add machines.
        """
        starting = sum(not worker.ready for worker in self._workers)
        wanted = min(len(self._waiting) - starting, room - len(self._workers))
        for _ in range(max(wanted, self._config.fewest - len(self._workers))):
            worker = WorkerHandle(self._make.remote())
            self._workers.append(worker)
            self._busy[worker.actor.place.remote()] = worker, None

    def _receive(self, ref: ray.ObjectRef) -> None:
        worker, task = self._busy.pop(ref)
        try:
            got = ray.get(ref)
        except OutOfDiskError as failed:
            raise error("node_failed", node=worker.node, reason="its disk is full: make room there") from failed
        except RayTaskError as failed:
            if task is None or not isinstance(failed.cause, EngineError):
                raise error("node_failed", node=worker.node, reason=_failure(failed.cause)) from failed
            self._on_worker_death(worker, task)
        except RayError:
            self._on_worker_death(worker, task)
        else:
            if task is not None:
                self._store(task, *got)
                self._idle.append(worker)
            elif not worker.node:
                worker.node = got
                self._busy[worker.actor.start.remote(self._config.model, self._config.engine)] = worker, None
            else:
                if not worker.ready:
                    self._check_identity(worker, *got)
                    worker.ready, self._failed_starts = True, 0
                self._idle.append(worker)

    def _check_identity(self, worker: WorkerHandle, identity: Mapping[str, str], processor: str) -> None:
        """Raise EngineError if a worker's model or packages differ; notify the user if its processor does."""
        here = self._config.identity
        if others := [name for name in dict.fromkeys([*here, *identity]) if here.get(name) != identity.get(name)]:
            raise error("node_differs", node=worker.node, what=" and another ".join(others[:3]))
        if self._processors and processor not in self._processors:
            self._config.notify(
                "the nodes have different processors: last digits of scores depend on the node that tags a text"
            )
        self._processors.add(processor)

    def _on_worker_death(self, worker: WorkerHandle, task: Task | None) -> None:
        """A process or a node died: retry its task."""
        self._workers.remove(worker)
        ray.kill(worker.actor)
        # If the whole node died its idle workers are dead too; ping them before handing them a task, so that the task's
        # death count stays right.
        for other in [idle for idle in self._idle if idle.node == worker.node]:
            self._idle.remove(other)
            self._busy[other.actor.place.remote()] = other, None
        if task is None:
            self._failed_starts += not worker.ready
            if self._failed_starts == DEATHS:
                raise error("workers_die", node=worker.node or "?")
            return
        task.deaths += 1
        if task.deaths < DEATHS:
            self._waiting.appendleft(task)
        elif len(task.texts) == 1:
            killed = input_error("kills_process", index=task.first)
            self._store(task, pack([killed], [Coverage(0, 0)]), 0)
        else:
            half = len(task.texts) // 2
            for at, texts in ((half, task.texts[half:]), (0, task.texts[:half])):
                # One more death halves them again; a text that is alone gets one more chance.
                deaths = DEATHS - 1 if len(texts) > 1 else DEATHS - 2
                self._waiting.appendleft(Task(task.chunk, task.first + at, texts, deaths))

    def _store(self, task: Task, packed: bytes, tokens: int) -> None:
        chunk = self._chunks[task.chunk]
        chunk.packed[task.first] = packed
        chunk.left -= len(task.texts)
        chunk.tokens += tokens

    def _check_placement(self) -> None:
        """Notify the user while no worker has a place, and finally give up."""
        now = time.monotonic()
        if any(worker.node for worker in self._workers):
            self._placed_at, self._notified = now, False
            return
        wants = " and ".join(f"{count} {name}" for name, count in self._config.needs.items() if count)
        if now - self._placed_at > GIVE_UP_SECONDS:
            raise error("no_room", wants=wants)
        if now - self._placed_at > SAY_SECONDS and not self._notified:
            self._notified = True
            self._config.notify(f"waiting: no node of the cluster has {wants} free for a worker")


def _joined(done: PartialChunk) -> ChunkAnswers:
    answers: list[Answer] = []
    coverage: list[Coverage] = []
    for first in sorted(done.packed):
        some, covered = unpack(done.packed[first])
        answers += some
        coverage += covered
    return ChunkAnswers(answers, coverage, done.tokens)


def _failure(cause: BaseException) -> str:
    """Why an engine cannot be used on its node, without any text, which other exceptions may contain."""
    if isinstance(cause, OSError):
        return cause.strerror or type(cause).__name__
    return str(cause if isinstance(cause, VtagError) else error("internal", type=type(cause).__name__))
