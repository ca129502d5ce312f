"""A separate process for each engine, so that engines share neither memory nor threads."""

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

# In the child process: the return value of `start`'s function.
_state: Any = None


class EngineProcess:
    """A process that holds a state, such as an LLM."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call `function(state, *arguments)` in the process, and return or raise its result; EngineError if the process
        dies.
        """
        return self._run(_call, function, arguments)

    def start(self, make: Callable[..., Any], *arguments: Any) -> None:
        """Call `make(*arguments)` in the process, and keep the return value as its state."""
        self._run(_start, make, arguments)

    def _run(self, *task: Any) -> Any:
        try:
            return self._pool.submit(*task).result()
        except BrokenProcessPool as cause:
            raise error("bench_died") from cause


@contextmanager
def engine_process() -> Iterator[EngineProcess]:
    """A spawned process that ends with this context."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin) as pool:
        yield EngineProcess(pool)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent, which ends this process
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # else the engine's memory would belong to another process


def _start(make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    global _state
    _state = make(*arguments)


def _call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return function(_state, *arguments)
