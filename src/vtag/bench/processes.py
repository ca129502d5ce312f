"""A process of its own for each engine, so that none shares memory or threads with another."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from vtag.errors import error

# In the process: what `start` returned.
_state: Any = None


class EngineProcess:
    """A process that holds what a function has made, such as an LLM."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function(its state, *arguments)` returns or raises there; EngineError where the process dies."""
        return self._run(_call, function, arguments)

    def start(self, make: Callable[..., Any], *arguments: Any) -> None:
        """Call `make(*arguments)` there, and keep what it returns as the state."""
        self._run(_start, make, arguments)

    def _run(self, *task: Any) -> Any:
        try:
            return self._pool.submit(*task).result()
        except BrokenProcessPool as cause:
            raise error("bench_died") from cause


@contextmanager
def engine_process() -> Iterator[EngineProcess]:
    """A process, by spawn, that ends when this context does."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin) as pool:
        yield EngineProcess(pool)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # else the engine's memory would be another process's


def _start(make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    global _state
    _state = make(*arguments)


def _call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return function(_state, *arguments)
