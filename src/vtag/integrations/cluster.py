"""Chunks tagged on many machines: Ray's actors hold the engines, this process reads and writes.

The driver hands each actor one chunk at a time and gives the answers back in order, as `LLM.tag_chunks` does. So all
that keeps a run safe (journal, errors file, order) is the local run's own, and the nodes need neither input nor output.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vtag.engine.identity import commit, processor, shared_identity
from vtag.engine.plan import plan
from vtag.errors import EngineError, InputError, VtagError, error, reason
from vtag.types import Span

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as cause:
    raise error("ray_missing") from cause

# How often the processes of a chunk may die before it is the chunk that is suspected: nodes go, too.
DEATHS = 3
# So many chunks for each worker may be read, or done, before the one whose turn it is.
AHEAD = 4
TICK_SECONDS = 1.0
# Without any worker placed: when to say so, and when to give up (a machine that is rented takes minutes to come).
SAY_SECONDS, GIVE_UP_SECONDS = 10, 600
# Of a Ray of our own: its object store (Ray's least, for chunks and their answers are small), and its token, which Ray
# keeps for as long as the process lives.
OBJECT_STORE = 80 << 20
TOKEN = secrets.token_hex(32)

Answer = list[Span] | InputError


@dataclass(slots=True)
class _Job:
    """Texts of one chunk, from `first` on, that go to a worker together; `deaths`: how many it has outlived."""

    chunk: int
    first: int
    texts: Sequence[Any]
    deaths: int = 0


@dataclass(slots=True)
class _Chunk:
    """The answers of a chunk, as they come in; `left`: how many are still to come."""

    answers: list[Any]
    left: int
    tokens: int = 0


@dataclass(slots=True, eq=False)
class _Hired:
    """An actor, and the node it is on, once it is placed."""

    actor: Any
    node: str = ""
    ready: bool = False


class Worker:
    """What runs in an actor: one engine."""

    def place(self) -> str:
        """The node's address: there is room for it."""
        return str(ray.util.get_node_ip_address())

    def start(self, model: str, engine: Mapping[str, Any]) -> tuple[dict[str, str], str]:
        """Start the engine; what must be the same on all nodes, and the node's processor."""
        use_assigned_cores()
        from vtag.engine.offline import LLM

        self._llm = LLM(model, **engine)
        return shared_identity(self._llm.plan), processor()

    def tag(self, texts: Sequence[Any], options: Mapping[str, Any]) -> tuple[list[Any], int]:
        """The answers of `LLM.tag_chunks` for one chunk, spans as tuples: they are many, and pickle better so."""
        ((answers, tokens),) = self._llm.tag_chunks([texts], **options)
        return [answer if isinstance(answer, InputError) else [*map(_packed, answer)] for answer in answers], tokens


class Cluster:
    """A model on Ray: takes the place of an `LLM` in `tag_files`.

    Args:
        model: as `LLM` takes it; a folder must be there on every node.
        address: of the cluster ("auto", "10.0.0.1:6379"); by default RAY_ADDRESS, or a Ray of its own on this machine.
        workers: fewest and most; None: as many as the cluster has room for. More are hired while chunks wait.
        cpus, gpus: of each worker; by default one CPU, and one GPU where the cluster has any.
        say: told in one line what a person should know meanwhile.
        engine: arguments of `LLM`.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        address: str | None = None,
        workers: tuple[int, int | None] = (1, None),
        cpus: int = 1,
        gpus: int | None = None,
        say: Callable[[str], None] = warnings.warn,
        **engine: Any,
    ) -> None:
        self._plan = plan(model, **engine)
        folder = self._plan.checkpoint.folder
        # As another process finds it, which has another working folder: there a branch may have moved on, too.
        known = commit(folder)
        self._model = str(model) if known or str(model) == "demo" else str(folder.resolve())
        self._engine = engine | ({"revision": known} if known else {})
        self._address, self._workers, self._cpus, self._gpus = address, workers, cpus, gpus
        self._say = say

    def identity(self) -> dict[str, str]:
        """What its answers depend on, but for the nodes' processors: those of a cluster come and go."""
        return shared_identity(self._plan) | {name: str(value) for name, value in self._engine.items()}

    def tag_chunks(self, chunks: Iterable[Sequence[Any]], **options: Any) -> Generator[tuple[list[Answer], int]]:
        """As `LLM.tag_chunks`, with answers equal to its own; several chunks are read ahead.

        A text of which its process dies, each time, has an InputError in the place of its spans.
        """
        with _joined(self._address):
            gpus = self._gpus if self._gpus is not None else int(ray.cluster_resources().get("GPU", 0) > 0)
            needs = {"CPU": self._cpus} | ({"GPU": gpus} if gpus else {})
            like = shared_identity(self._plan)
            pool = _Pool((self._model, self._engine), like, options, needs, self._workers, self._say)
            try:
                yield from pool.run(chunks)
            finally:
                pool.close()


class _Pool:
    """The actors, and what each of them is at."""

    def __init__(
        self,
        start: tuple[str, Mapping[str, Any]],
        identity: Mapping[str, str],
        options: Mapping[str, Any],
        needs: Mapping[str, int],
        workers: tuple[int, int | None],
        say: Callable[[str], None],
    ) -> None:
        self._start, self._identity, self._options, self._needs = start, identity, options, needs
        self._fewest, self._most, self._say = *workers, say
        self._make = ray.remote(
            num_cpus=needs["CPU"],
            num_gpus=needs.get("GPU", 0),
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )(Worker)
        self._at: dict[Any, tuple[_Hired, _Job | None]] = {}
        self._idle: deque[_Hired] = deque()
        self._hired: list[_Hired] = []
        self._waiting: deque[_Job] = deque()
        self._chunks: dict[int, _Chunk] = {}
        self._stillborn = 0
        self._processors: set[str] = set()
        self._since = time.monotonic()
        self._told = False

    def run(self, chunks: Iterable[Sequence[Any]]) -> Generator[tuple[list[Answer], int]]:
        """The answers of each chunk and its count of tokens, in order."""
        texts = enumerate(chunks)
        given, more = 0, True
        while True:
            most = self._room()
            while more and len(self._waiting) < most and len(self._chunks) < AHEAD * most:
                number, chunk = next(texts, (-1, ()))
                more = number >= 0
                if more:
                    self._chunks[number] = _Chunk([None] * len(chunk), len(chunk))
                    if chunk:
                        self._waiting.append(_Job(number, 0, chunk))
            while given in self._chunks and not self._chunks[given].left:
                done = self._chunks.pop(given)
                given += 1
                yield done.answers, done.tokens
            if not more and not self._chunks:
                return
            self._hand_out(most)
            if self._at:
                ready, _ = ray.wait(list(self._at), num_returns=1, timeout=TICK_SECONDS)
                for ref in ready:
                    self._take_in(ref)
            self._mind_the_room()

    def close(self) -> None:
        """End all workers."""
        for hired in self._hired:
            ray.kill(hired.actor)

    def _room(self) -> int:
        """How many workers there may be now."""
        if self._most is not None:
            return max(1, self._fewest, self._most)
        has = ray.cluster_resources()
        return max(1, self._fewest, *(int(min(has.get(name, 0) // count for name, count in self._needs.items())),))

    def _hand_out(self, most: int) -> None:
        while self._waiting and self._idle:
            hired, job = self._idle.popleft(), self._waiting.popleft()
            self._at[hired.actor.tag.remote(job.texts, self._options)] = hired, job
        starting = sum(not hired.ready for hired in self._hired)
        wanted = max(self._fewest - len(self._hired), min(len(self._waiting) - starting, most - len(self._hired)))
        for _ in range(wanted):
            hired = _Hired(self._make.remote())
            self._hired.append(hired)
            self._at[hired.actor.place.remote()] = hired, None

    def _take_in(self, ref: Any) -> None:
        hired, job = self._at.pop(ref)
        try:
            got = ray.get(ref)
        except RayTaskError as failed:
            cause = failed.cause
            if isinstance(cause, EngineError) and job is not None:
                self._bury(hired, job)
                return
            if isinstance(cause, OSError):
                why = reason(cause)
            else:
                why = str(cause if isinstance(cause, VtagError) else error("internal", type=type(cause).__name__))
            raise error("node_failed", node=hired.node, reason=why) from failed
        except RayError:
            self._bury(hired, job)
            return
        if job is not None:
            answers, tokens = got
            self._answered(job, [a if isinstance(a, InputError) else [*map(_unpacked, a)] for a in answers], tokens)
        elif not hired.node:
            hired.node = got
            self._at[hired.actor.start.remote(*self._start)] = hired, None
            return
        else:
            self._welcome(hired, *got)
        self._stillborn = 0
        self._idle.append(hired)

    def _welcome(self, hired: _Hired, identity: Mapping[str, str], processor: str) -> None:
        """A worker is ready: is it like the others?"""
        names = dict.fromkeys([*self._identity, *identity])
        if others := [name for name in names if self._identity.get(name) != identity.get(name)]:
            raise error("node_differs", node=hired.node, what=" and another ".join(others[:3]))
        hired.ready = True
        if len(self._processors | {processor}) > max(1, len(self._processors)):
            self._say("the nodes have different processors: the last digits of scores depend on which one tags a text")
        self._processors.add(processor)

    def _bury(self, hired: _Hired, job: _Job | None) -> None:
        """A process is gone, or its node. What it was at is done again; by halves where it may be the cause."""
        self._hired.remove(hired)
        ray.kill(hired.actor)
        if job is None:
            self._stillborn += 1
            if self._stillborn == DEATHS:
                raise error("workers_die", node=hired.node or "?")
            return
        job.deaths += 1
        if job.deaths < DEATHS:
            self._waiting.appendleft(job)
        elif len(job.texts) == 1:
            self._answered(job, [error("kills_process", index=job.first)], 0)
        else:
            half = len(job.texts) // 2
            for first, texts in ((half, job.texts[half:]), (0, job.texts[:half])):
                # A single text is not condemned for one death.
                deaths = DEATHS - 1 if len(texts) > 1 else DEATHS - 2
                self._waiting.appendleft(_Job(job.chunk, job.first + first, texts, deaths))

    def _answered(self, job: _Job, answers: list[Any], tokens: int) -> None:
        chunk = self._chunks[job.chunk]
        chunk.answers[job.first : job.first + len(answers)] = answers
        chunk.left -= len(answers)
        chunk.tokens += tokens

    def _mind_the_room(self) -> None:
        """Say so where no worker finds a place, and at last give up."""
        if any(hired.node for hired in self._hired) or not self._hired:
            self._since, self._told = time.monotonic(), False
            return
        waited = time.monotonic() - self._since
        wants = " and ".join(f"{count} {name}" for name, count in self._needs.items())
        if waited > GIVE_UP_SECONDS:
            raise error("no_room", wants=wants)
        if waited > SAY_SECONDS and not self._told:
            self._told = True
            self._say(f"waiting: no node of the cluster has {wants} free for a worker")


def use_assigned_cores() -> None:
    """As many threads as this actor has cores: other actors share the machine. (For torch, Ray sees to it.)"""
    cores = max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)))
    os.environ.setdefault("RAYON_NUM_THREADS", str(cores))


@contextmanager
def _joined(address: str | None) -> Iterator[None]:
    """Be a driver of the cluster; of one that is made for it and goes with it, where there is none."""
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    with ExitStack() as stack:
        if address:
            settings: dict[str, Any] = {"address": address}
        else:
            stack.enter_context(_own_environment())
            settings = {
                "address": "local",
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE,
                "_temp_dir": stack.enter_context(TemporaryDirectory(prefix="vtag-ray-", ignore_cleanup_errors=True)),
                "_node_ip_address": "127.0.0.2",  # for 127.0.0.1 Ray would put the machine's own
            }
        try:
            ray.init(**settings, logging_level=logging.ERROR, log_to_driver=False)
        except (OSError, ValueError, RuntimeError) as cause:
            raise error("no_cluster", address=address or "a Ray of this machine's own", reason=reason(cause)) from cause
        stack.callback(ray.shutdown)
        yield


@contextmanager
def _own_environment() -> Iterator[None]:
    """A Ray of our own reports to nobody, and has a token that is in no file."""
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED")}
    os.environ.setdefault("RAY_AUTH_TOKEN", TOKEN)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        yield
    finally:
        for name, value in before.items():
            if value is not None:
                os.environ[name] = value
            else:
                os.environ.pop(name, None)


def _packed(span: Span) -> tuple[Any, ...]:
    return (span.start, span.end, span.label, span.score, span.text, span.word, span.index, span.words)


def _unpacked(row: tuple[Any, ...]) -> Span:
    return Span(*row)
