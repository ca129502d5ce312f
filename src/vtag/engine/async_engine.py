"""The engine in a process of its own, driven from an event loop; `llm.py` is the version without asyncio."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import pickle
import select
import signal
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from itertools import count
from typing import Any

import numpy as np
from vllm import PoolingParams
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.engine.protocol import EngineClient
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM

from vtag.backend import registry
from vtag.compat import vllm_engine
from vtag.compat.names import ENGINE_LOGGER
from vtag.engine.batching import logits_of
from vtag.errors import VtagError, error, reason
from vtag.model import arguments
from vtag.model.plan import Plan
from vtag.system import device, garbage
from vtag.types import Window

# Tokens of one step on the packed route: enough to fill the matrices, few enough to keep waiting times short. The value
# for GPUs is chosen, not measured: about 8 ms of an H200 with BERT-base (benchmarks/LOG.md, Rows on a GPU).
STEP_TOKENS, CUDA_STEP_TOKENS = 2048, 16384


def start(plan: Plan) -> EngineClient:
    """Start the plan's engine in a process of its own. Call it inside `environment.for_engine()`, before any event loop
    runs.

    The engine is a fork of this process, with all its imports. That is safe because nothing has started threads, OpenMP
    workers or CUDA yet. Where vLLM cannot fork (in WSL, for example), it spawns a process that imports everything
    again.
    """
    registry.load(plan.architecture)
    with closing(StartFailureReporter()) as begun:
        try:
            config = AsyncEngineArgs(**_arguments(plan)).create_engine_config(UsageContext.OPENAI_API_SERVER)
            watched: AbstractContextManager[None] = nullcontext()
            os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "fork"
            if vllm_engine.forks():
                os.register_at_fork(after_in_child=_end_with_server)
                watched = vllm_engine.forked_within(begun.in_engine)
            garbage.collect()
            gc.freeze()  # the engine's collections would copy the pages that it shares with this process
            with watched:
                return AsyncLLM.from_vllm_config(config, usage_context=UsageContext.OPENAI_API_SERVER)
        except VtagError:
            raise
        except Exception as failed:
            cause = begun.failure()
            if isinstance(cause, VtagError):
                raise cause from failed
            if cause:
                raise error("engine_failed", model=plan.name, reason=cause) from failed
            raise arguments.refusal(plan.name, failed) from failed


class AsyncEngine:
    """Runs windows in steps of the engine: `await engine.run(windows)`."""

    def __init__(self, plan: Plan, client: EngineClient) -> None:
        self.plan = plan
        self.client = client
        scheduler = client.vllm_config.scheduler_config
        self.step_tokens: int = scheduler.max_num_batched_tokens
        self.step_windows: int = scheduler.max_num_seqs
        if plan.packed:
            most = CUDA_STEP_TOKENS if device.on_cuda() else STEP_TOKENS
            self.step_tokens, self.step_windows = min(most, self.step_tokens), most
        self._keys = count()

    async def run(self, windows: Sequence[Window]) -> list[np.ndarray]:
        """Logits of each window, float32 [tokens, labels].

        Takes at most `step_windows` windows of `step_tokens` tokens together, or a single longer one.
        Raises EngineError if the engine has died, or if it is an engine of vLLM's own that does not return logits per
        token.
        """
        if not self.plan.packed:
            return list(await asyncio.gather(*(self._request(window.ids, None) for window in windows)))
        lens = [len(window.ids) for window in windows]
        rows = await self._request(np.concatenate([window.ids for window in windows]), lens)
        return np.split(rows, np.cumsum(lens)[:-1])

    async def _request(self, ids: np.ndarray, lens: list[int] | None) -> np.ndarray:
        params = PoolingParams(task="token_classify", use_activation=False)
        if lens is not None:
            params.extra_kwargs = {"lens": lens}
        prompt = vllm_engine.prompt_of(ids.tolist())
        async for output in self.client.encode(prompt, params, f"vtag-{next(self._keys)}"):
            rows = logits_of(output, self.plan.name)
        if rows.shape != (len(ids), len(self.plan.id2label)):
            raise error("not_per_token", model=self.plan.name)
        return rows


def _arguments(plan: Plan) -> dict[str, Any]:
    """Engine arguments; on a CPU without a worker process, for which the engine would busy-wait on a core."""
    parallel = any((plan.arguments.get(f"{kind}_parallel_size") or 1) > 1 for kind in ("tensor", "pipeline", "data"))
    executor = {} if parallel or device.on_cuda() else {"distributed_executor_backend": vllm_engine.NO_WORKER}
    return executor | plan.arguments


def _end_with_server() -> None:
    """In the forked engine: ignore signals, and end with the server.

    Ctrl-C at a terminal, and systemd's SIGTERM, go to all processes of a group, and the server must finish its requests
    first.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def without_traceback(record: logging.LogRecord) -> bool:
    """Logging filter: replaces stack traces by the exception's name."""
    if record.exc_info and record.exc_info[0] and "VTAG_DEBUG" not in os.environ:
        record.msg, record.args = f"{record.getMessage()} ({record.exc_info[0].__name__})", ()
        record.exc_info = record.exc_text = None
    return True


class StartFailureReporter(logging.Filter):
    """Reports to the parent, through a pipe, why a forked engine did not start; replaces stack traces on stderr."""

    def __init__(self) -> None:
        super().__init__()
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)

    @contextmanager
    def in_engine(self) -> Iterator[None]:
        """Context of everything that the engine's process does."""
        os.close(self._read)
        logging.getLogger(ENGINE_LOGGER).addFilter(self)
        try:
            yield
        except Exception as cause:
            if self._awaited():
                os.write(self._write, pickle.dumps(cause if isinstance(cause, VtagError) else reason(cause)))
            os._exit(1)

    def filter(self, record: logging.LogRecord) -> bool:
        """Suppress vLLM's stack traces in the engine's process, and log records that the parent reports itself."""
        reported = record.exc_info and self._awaited() and "VTAG_DEBUG" not in os.environ
        return not reported and without_traceback(record)

    def _awaited(self) -> bool:
        """Whether the parent still waits for the engine to start: later its end of the pipe is closed."""
        poll = select.poll()
        poll.register(self._write, 0)
        return not poll.poll(0)

    def failure(self) -> VtagError | str | None:
        """In the parent, after the engine's process has ended: its error, or None without a report."""
        try:
            reported = os.read(self._read, 1 << 16)
        except BlockingIOError:
            return None
        return pickle.loads(reported) if reported else None

    def close(self) -> None:
        """In the parent, when the engine has started or failed."""
        os.close(self._read)
        os.close(self._write)
