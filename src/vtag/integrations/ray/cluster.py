"""Chunks tagged on many machines: Ray's actors hold the engines, this process reads and writes.

The driver sends each actor one chunk at a time and returns the answers in order, as `LLM.tag_chunks` does. Everything
that makes a run safe (journal, errors file, order) is the local run's, and nodes need neither input nor output.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vtag.compat import ray_cluster
from vtag.errors import error, reason
from vtag.model.identity import commit, shared_identity
from vtag.model.plan import make_plan

try:
    import ray
except ImportError as cause:
    raise error("ray_missing") from cause

from vtag.integrations.ray.pool import Pool, PoolConfig
from vtag.options import DEFAULTS, BoundOptions
from vtag.types import ChunkAnswers

# For a cluster that vtag starts: the size of its object store (Ray's minimum, because chunks and answers are small),
# and its token, which Ray keeps for the lifetime of the process.
OBJECT_STORE = 80 << 20
TOKEN = secrets.token_hex(32)
KNOCK_SECONDS = 10


class Cluster:
    """A model on Ray, in place of an `LLM` in `tag_files`.

    Args:
        model: as in `LLM`; a folder must exist on every node.
        address: of the cluster ("auto", "10.0.0.1:6379"); by default RAY_ADDRESS, or a new cluster on this machine.
        workers: minimum and maximum; None: as many as the cluster has room for. More start while chunks wait.
        cpus: of each worker.
        gpus: of each worker; by default one if the cluster has any.
        notify: called with one-line messages for the user.
        engine: arguments of `LLM`.

    Raises:
        ModelError: as `LLM`, before a worker starts.
        EngineError: if the cluster cannot be reached, has no room for a worker, or a node cannot start an engine.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        address: str | None = None,
        workers: tuple[int, int | None] = (1, None),
        cpus: int = 1,
        gpus: int | None = None,
        notify: Callable[[str], None] = warnings.warn,
        **engine: Any,
    ) -> None:
        self._plan = make_plan(model, **engine)
        self.tagger = self._plan.tagger
        folder = self._plan.checkpoint.folder
        # Other processes have other working folders, and a branch may have moved on: pass the resolved name and commit.
        known = commit(folder)
        self._model = str(model) if known or str(model) == "demo" else str(folder.resolve())
        self._engine = engine | ({"revision": known} if known else {})
        self._address, self._workers, self._cpus, self._gpus = address, workers, cpus, gpus
        self._notify = notify

    def identity(self) -> dict[str, str]:
        """What its answers depend on, without the nodes' processors: nodes of a cluster come and go.

        Returns:
            As `LLM.identity`.
        """
        arguments = {name: str(value) for name, value in self._engine.items()}
        return {"machine": "a Ray cluster"} | arguments | shared_identity(self._plan)

    def answers(
        self, chunks: Iterable[Sequence[Any]], options: BoundOptions = DEFAULTS, *, words: bool = False
    ) -> Generator[ChunkAnswers]:
        """As `LLM.answers`, and equal to it; several chunks are read ahead.

        A text that kills its process each time has an InputError in the place of its spans.

        Args:
            chunks: as in `LLM.tag_chunks`.
            options: of `Tagger.bind`.
            words: as in `LLM.tag_chunks`.
        """
        with _connected(self._address):
            gpus = self._gpus if self._gpus is not None else int(ray.cluster_resources().get("GPU", 0) > 0)
            pool = Pool(
                PoolConfig(
                    self._model,
                    self._engine,
                    shared_identity(self._plan),
                    options,
                    words,
                    {"CPU": self._cpus, "GPU": gpus},
                    *self._workers,
                    self._notify,
                )
            )
            try:
                yield from pool.run(chunks)
            finally:
                pool.close()


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Connect to the cluster as a driver; without one, start a private cluster that ends with this context."""
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    with ExitStack() as stack:
        if address:
            settings: dict[str, Any] = {"address": address}
        else:
            stack.enter_context(_private_environment())
            folder = stack.enter_context(TemporaryDirectory(prefix="vtag-ray-", ignore_cleanup_errors=True))
            settings = ray_cluster.private_settings(folder, OBJECT_STORE)
        try:
            _check_reachable(address)
            ray.init(**settings, logging_level=logging.ERROR, log_to_driver=False)
        except (OSError, ValueError, RuntimeError) as cause:
            why = getattr(cause, "strerror", None) or reason(cause)
            raise error("no_cluster", address=address or "a Ray of this machine's own", reason=why) from cause
        stack.callback(ray.shutdown)
        stack.enter_context(_sigterm_as_ctrl_c())
        yield


def _check_reachable(address: str | None) -> None:
    """Raise OSError if nobody listens at the address: Ray would retry for a minute, with a warning
    every few seconds.
    """
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), KNOCK_SECONDS).close()


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C: Ray would print a stack trace, and leave its folder behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@contextmanager
def _private_environment() -> Iterator[None]:
    """A private cluster sends no usage statistics, and has a token that is in no file."""
    names = (ray_cluster.AUTH_MODE, ray_cluster.TOKEN, ray_cluster.STATISTICS)
    before = {name: os.environ.get(name) for name in names}
    os.environ.setdefault(ray_cluster.TOKEN, TOKEN)
    os.environ[ray_cluster.STATISTICS] = "0"
    try:
        yield
    finally:
        for name, value in before.items():
            if value is not None:
                os.environ[name] = value
            else:
                os.environ.pop(name, None)
