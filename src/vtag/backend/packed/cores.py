"""Rows on the cores of a CPU: where these are few, each core runs rows of its own.

Coalescer on one row, the cores wait for each other after every operation, and all of them for the one that something
else took time from. A row of a core's own may also be smaller: its activations stay near that core.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from vtag.compat import torch_cpu

# Measured on two. Each row costs some Python, and one core at a time can run that.
FEW = 2


class Cores:
    """The cores that torch uses in the thread that makes this; if each is to work apart, a thread for each."""

    def __init__(self, *, apart: bool) -> None:
        threads = torch.get_num_threads()
        # In a process of its own vLLM ties each thread of OpenMP to a core, this one too: its workers would share that.
        free = len(os.sched_getaffinity(0)) >= threads
        self.count = threads if apart and free and threads <= FEW else 1
        self._workers: ThreadPoolExecutor | None = None
        if self.count > 1:
            self._workers = ThreadPoolExecutor(self.count, "vtag-row", initializer=_without_helpers)
            met = threading.Barrier(self.count)
            for started in [self._workers.submit(met.wait) for _ in range(self.count)]:
                started.result()
            # What was set last is for all threads to come.
            torch_cpu.set_threads(threads)

    def each(self, run: Callable[..., None], work: Iterable[tuple[Any, ...]]) -> None:
        """Run all of the work, and raise what the first of it to fail raised."""
        todo = list(work)
        if self._workers is None or len(todo) == 1:
            for one in todo:
                run(*one)
        else:
            for done in [self._workers.submit(run, *one) for one in todo]:
                done.result()


def _without_helpers() -> None:
    """Let torch run what this thread asks for in this thread alone."""
    # A thread takes the number when it first asks for it.
    torch_cpu.set_threads(1)
    torch.get_num_threads()
