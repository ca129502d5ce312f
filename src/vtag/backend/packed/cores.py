"""Rows on the cores of a CPU: with few cores, each core runs its own rows.

If all cores worked on one row, they would wait for each other after every operation, and all for the one that another
process slows down. Rows for one core can also be smaller, so that their activations stay in its cache.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from vtag.compat import torch_cpu

# Measured with two cores. Each row costs some Python time, which only one core at a time can spend.
FEW = 2


class Cores:
    """The cores that torch uses in the current thread, with a thread for each if they work separately."""

    def __init__(self, *, apart: bool) -> None:
        threads = torch.get_num_threads()
        # In an engine process vLLM pins each OpenMP thread to a core, this one included; new threads would share its
        # core.
        free = len(os.sched_getaffinity(0)) >= threads
        self.count = threads if apart and free and threads <= FEW else 1
        self._workers: ThreadPoolExecutor | None = None
        if self.count > 1:
            self._workers = ThreadPoolExecutor(self.count, "vtag-row", initializer=_without_helpers)
            met = threading.Barrier(self.count)
            for started in [self._workers.submit(met.wait) for _ in range(self.count)]:
                started.result()
            # set_num_threads is also the default for threads created later; restore it.
            torch_cpu.set_threads(threads)

    def each(self, run: Callable[..., None], work: Iterable[tuple[Any, ...]]) -> None:
        """Run all work items; raise the exception of the first that failed."""
        todo = list(work)
        if self._workers is None or len(todo) == 1:
            for one in todo:
                run(*one)
        else:
            for done in [self._workers.submit(run, *one) for one in todo]:
                done.result()


def _without_helpers() -> None:
    """Restrict torch to this thread for the work that this thread starts."""
    # A thread reads the number when it first uses it.
    torch_cpu.set_threads(1)
    torch.get_num_threads()
