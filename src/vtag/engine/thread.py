"""The thread that drives an engine, the engine's end, and forks.

vLLM's engine is not thread-safe: `step()` returns outputs of all pending requests to its caller, and batch composition
changes low-order bits. One thread therefore drives it, first come, first served; callers wait without a lock.
"""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from vtag.compat import torch_cpu, vllm_engine
from vtag.errors import error
from vtag.system import device, garbage, memory

Result = TypeVar("Result")


class EngineThread:
    """The one thread that drives an engine. `engine` is valid until `close`, on that thread."""

    def __init__(self, start: Callable[[], Any]) -> None:
        """Start the engine: `start` creates it (vLLM's LLMEngine), on that thread too.

        Created elsewhere, OpenMP would have two teams of workers, and they would sleep between the matmuls of a small
        model (5 % of the time).
        """
        self._process = os.getpid()
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vtag-engine")
        with libraries_frozen():
            # While it starts it counts as an engine, so that another one that ends meanwhile keeps the process groups.
            _in_process.add(self)
            try:
                with garbage.suppressed():
                    self._thread.submit(vllm_engine.add_expert_group).result()
                    self.engine = self._thread.submit(start).result()
                _keep_groups_of_others(vllm_engine.client_of(self.engine))
            finally:
                _in_process.discard(self)
        _threads.add(self)

    def check(self) -> None:
        """Raise EngineError if the engine cannot be used: it was closed, or this process is a fork."""
        if os.getpid() != self._process:
            raise error("forked")
        if self._closed:
            raise error("closed")

    def start(self, work: Generator[None, None, Result]) -> Future[Result]:
        """Start work of several steps on the engine's thread: at each `yield` of `work`, other work may run in between.

        The future gets what `work` returns or raises. After the future's `cancel()` no further step runs.
        """
        future: Future[Result] = Future()
        self._submit(self._advance, work, future)
        return future

    def call(self, function: Callable[[], Result]) -> Result:
        """Call `function` on the engine's thread, in a step of its own, and return or raise its result."""

        def checked() -> Result:
            self.check()
            return function()

        return self._submit(checked).result()

    def _submit(self, function: Callable[..., Result], *args: Any) -> Future[Result]:
        self.check()
        try:
            return self._thread.submit(function, *args)
        except RuntimeError:  # closed by another thread since
            self.check()
            raise

    def _advance(self, work: Generator[None, None, Result], future: Future[Result]) -> None:
        try:
            self.check()
            if not future.cancelled():
                next(work)
                self._thread.submit(self._advance, work, future)
        except StopIteration as done:
            future.set_result(done.value)
        except BaseException as cause:
            future.set_exception(cause)

    def close(self) -> None:
        """End the engine after the current step; does nothing when called again, or in a fork."""
        if self._closed or os.getpid() != self._process:
            return
        self._closed = True
        self._thread.submit(self._shut_down).result()
        self._thread.shutdown()

    def detach_in_fork(self) -> None:
        """In a fork: never end the parent's engine."""
        if not self._closed:
            vllm_engine.detach(vllm_engine.client_of(self.engine))

    def _shut_down(self) -> None:
        vllm_engine.end(vllm_engine.client_of(self.engine))
        del self.engine


_threads: weakref.WeakSet[EngineThread] = weakref.WeakSet()
_in_process: set[Any] = set()
# Files of the rendezvous of torch's process groups. If such a file is missing, NCCL's threads wait for it when a group
# is destroyed, and `torch.distributed.new_group` waits forever.
_rendezvous: set[Path] = set()


def free() -> None:
    """Free the memory of a closed engine that nobody refers to any more.

    One collection, for models with reference cycles, which would stay until Python collects by itself.
    """
    garbage.collect()
    _unfreeze_if_last()
    memory.trim()


@contextmanager
def libraries_frozen() -> Iterator[None]:
    """Freeze all live objects before a model is loaded and its engine starts, until this process has no engine."""
    garbage.freeze()
    try:
        yield
    finally:
        _unfreeze_if_last()


def _unfreeze_if_last() -> None:
    if not _in_process:
        garbage.unfreeze()


def _detach_in_fork() -> None:
    """In a fork: do not end, or wait for, the parent's engines when this process ends."""
    _rendezvous.clear()
    if not _threads:
        return
    for owner in list(_threads):
        owner.detach_in_fork()
    torch_cpu.keep_process_groups()


os.register_at_fork(after_in_child=_detach_in_fork)


def _keep_groups_of_others(client: Any) -> None:
    """Keep this engine working when another engine of this process ends.

    vLLM's in-process engine destroys the process's distributed groups when it ends, also those of other engines (`llm =
    LLM(a)`, then `llm = LLM(b)` in a notebook). Only vtag's last engine may do that.
    """
    core = vllm_engine.in_process_core(client)
    if core is None:
        return
    vllm_engine.replace_finalizer(client, _end, core)
    _in_process.add(core)
    if rendezvous := vllm_engine.rendezvous(core):
        _rendezvous.add(rendezvous)  # vLLM leaves it behind


def _end(core: Any) -> None:
    _in_process.discard(core)
    with garbage.suppressed():
        if _in_process:
            vllm_engine.stop_workers(core)
        else:
            memory.give_back_freed()
            core.shutdown()
            _remove_rendezvous()


def _remove_rendezvous() -> None:
    while _rendezvous:
        _rendezvous.pop().unlink(missing_ok=True)


def _at_exit() -> None:
    # On a GPU, NCCL's threads read the files until the process ends: an engine that was not closed leaves its file.
    if not device.on_cuda():
        _remove_rendezvous()


atexit.register(_at_exit)
