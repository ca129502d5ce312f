"""Workers, and which of them is at what: hired while chunks wait, one chunk at a time each, replaced where they die.

One chunk in flight makes it certain what a worker died of. Its chunk is done again as it is, for machines die too; one
that has outlived DEATHS workers is done again by halves, until the text that kills them stands alone.
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
from vtag.types import Answer

DEATHS = 3
# So many chunks for each worker may be under way, or done, from the one on whose answers the reader waits.
AHEAD = 4
TICK_SECONDS = 1.0
# With no worker placed: when to say so, and when to give up. (A rented machine takes minutes to come.)
SAY_SECONDS, GIVE_UP_SECONDS = 10, 900


@dataclass(frozen=True, slots=True)
class Terms:
    """What workers are hired for.

    model, engine: arguments of `LLM`. identity: what must be on their nodes as it is here.
    options, words: of `LLM.answers`. needs: "CPU" and "GPU" -> how many each takes.
    fewest, most: how many workers; most None: as many as the cluster has room for.
    say: told, in one line, what a person should know meanwhile.
    """

    model: str
    engine: Mapping[str, Any]
    identity: Mapping[str, str]
    options: BoundOptions
    words: bool
    needs: Mapping[str, int]
    fewest: int
    most: int | None
    say: Callable[[str], None]


@dataclass(slots=True)
class Job:
    """Texts that go to a worker together: of one chunk, from its text `first` on. deaths: of workers that had them."""

    chunk: int
    first: int
    texts: Sequence[Any]
    deaths: int = 0


@dataclass(slots=True)
class Chunk:
    """What has come in of a chunk. left: how many answers have not; packed: those that have, by the first's number."""

    left: int
    packed: dict[int, bytes] = field(default_factory=dict)
    tokens: int = 0


@dataclass(slots=True, eq=False)
class Hired:
    """An actor; the address of its node, once it is placed; and whether its engine runs."""

    actor: Any
    node: str = ""
    ready: bool = False


class Pool:
    """Takes chunks, gives their answers in order."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._make = ray.remote(
            num_cpus=terms.needs["CPU"],
            num_gpus=terms.needs["GPU"],
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )(Worker)
        self._hired: list[Hired] = []
        self._idle: deque[Hired] = deque()
        # What is awaited -> who is at it; no job while the worker starts, or is asked whether it is still there.
        self._busy: dict[ray.ObjectRef, tuple[Hired, Job | None]] = {}
        self._waiting: deque[Job] = deque()
        self._chunks: dict[int, Chunk] = {}
        self._stillborn = 0
        self._processors: set[str] = set()
        self._placed_at = time.monotonic()
        self._said = False

    def run(self, chunks: Iterable[Sequence[Any]]) -> Generator[tuple[list[Answer], int]]:
        """The answers of each chunk and its count of tokens, in order."""
        numbered = enumerate(chunks)
        turn, more = 0, True
        while True:
            room = self._room()
            while more and len(self._waiting) < room and len(self._chunks) < AHEAD * room:
                more = self._read(next(numbered, None))
            while turn in self._chunks and not self._chunks[turn].left:
                done = self._chunks.pop(turn)
                yield [answer for first in sorted(done.packed) for answer in unpack(done.packed[first])], done.tokens
                turn += 1
            if not more and not self._chunks:
                return
            self._hire(room)
            self._hand_out()
            if self._busy:
                ready, _ = ray.wait(list(self._busy), num_returns=1, timeout=TICK_SECONDS)
                for ref in ready:
                    self._take_in(ref)
                self._hand_out()  # before the reader is given what is done, which takes it a while
                self._mind_the_room()

    def close(self) -> None:
        """End all workers."""
        for hired in self._hired:
            ray.kill(hired.actor)

    def _read(self, numbered: tuple[int, Sequence[Any]] | None) -> bool:
        if numbered is None:
            return False
        number, texts = numbered
        self._chunks[number] = Chunk(len(texts))
        if texts:
            self._waiting.append(Job(number, 0, texts))
        return True

    def _room(self) -> int:
        """How many workers there may be now."""
        most = self._terms.most
        if most is None:
            has = ray.cluster_resources()
            most = min(int(has.get(name, 0) // count) for name, count in self._terms.needs.items() if count)
        return max(1, self._terms.fewest, most)

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            hired, job = self._idle.popleft(), self._waiting.popleft()
            self._busy[hired.actor.tag.remote(job.texts, self._terms.options, self._terms.words)] = hired, job

    def _hire(self, room: int) -> None:
        """A worker for each chunk that none of those who start will take. Those without a place bring new machines."""
        starting = sum(not hired.ready for hired in self._hired)
        wanted = min(len(self._waiting) - starting, room - len(self._hired))
        for _ in range(max(wanted, self._terms.fewest - len(self._hired))):
            hired = Hired(self._make.remote())
            self._hired.append(hired)
            self._busy[hired.actor.place.remote()] = hired, None

    def _take_in(self, ref: ray.ObjectRef) -> None:
        hired, job = self._busy.pop(ref)
        try:
            got = ray.get(ref)
        except OutOfDiskError as failed:
            raise error("node_failed", node=hired.node, reason="its disk is full: make room there") from failed
        except RayTaskError as failed:
            if job is None or not isinstance(failed.cause, EngineError):
                raise error("node_failed", node=hired.node, reason=_complaint(failed.cause)) from failed
            self._bury(hired, job)
        except RayError:
            self._bury(hired, job)
        else:
            if job is not None:
                self._answered(job, *got)
                self._idle.append(hired)
            elif not hired.node:
                hired.node = got
                self._busy[hired.actor.start.remote(self._terms.model, self._terms.engine)] = hired, None
            else:
                if not hired.ready:
                    self._look_at(hired, *got)
                    hired.ready, self._stillborn = True, 0
                self._idle.append(hired)

    def _look_at(self, hired: Hired, identity: Mapping[str, str], processor: str) -> None:
        """Whether a worker gives the answers that others give."""
        here = self._terms.identity
        if others := [name for name in dict.fromkeys([*here, *identity]) if here.get(name) != identity.get(name)]:
            raise error("node_differs", node=hired.node, what=" and another ".join(others[:3]))
        if self._processors and processor not in self._processors:
            self._terms.say("the nodes have different processors: last digits of scores depend on which tags a text")
        self._processors.add(processor)

    def _bury(self, hired: Hired, job: Job | None) -> None:
        """A process is gone, or a node: what it was at is to be done again."""
        self._hired.remove(hired)
        ray.kill(hired.actor)
        # If it was the node, a job handed to its idle workers would have outlived them all.
        for other in [idle for idle in self._idle if idle.node == hired.node]:
            self._idle.remove(other)
            self._busy[other.actor.place.remote()] = other, None
        if job is None:
            self._stillborn += not hired.ready
            if self._stillborn == DEATHS:
                raise error("workers_die", node=hired.node or "?")
            return
        job.deaths += 1
        if job.deaths < DEATHS:
            self._waiting.appendleft(job)
        elif len(job.texts) == 1:
            self._answered(job, pack([input_error("kills_process", index=job.first)]), 0)
        else:
            half = len(job.texts) // 2
            for at, texts in ((half, job.texts[half:]), (0, job.texts[:half])):
                # One more death halves them again; a text that stands alone may have had bad luck once.
                deaths = DEATHS - 1 if len(texts) > 1 else DEATHS - 2
                self._waiting.appendleft(Job(job.chunk, job.first + at, texts, deaths))

    def _answered(self, job: Job, packed: bytes, tokens: int) -> None:
        chunk = self._chunks[job.chunk]
        chunk.packed[job.first] = packed
        chunk.left -= len(job.texts)
        chunk.tokens += tokens

    def _mind_the_room(self) -> None:
        """Say so while no worker finds a place, and at last give up."""
        now = time.monotonic()
        if any(hired.node for hired in self._hired):
            self._placed_at, self._said = now, False
            return
        wants = " and ".join(f"{count} {name}" for name, count in self._terms.needs.items() if count)
        if now - self._placed_at > GIVE_UP_SECONDS:
            raise error("no_room", wants=wants)
        if now - self._placed_at > SAY_SECONDS and not self._said:
            self._said = True
            self._terms.say(f"waiting, for no node of the cluster has {wants} free for a worker")


def _complaint(cause: BaseException) -> str:
    """Why an engine cannot be used on its node. Never with a word of a text, as other exceptions may have."""
    if isinstance(cause, OSError):
        return cause.strerror or type(cause).__name__
    return str(cause if isinstance(cause, VtagError) else error("internal", type=type(cause).__name__))
