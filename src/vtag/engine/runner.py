"""Runs windows on an engine step by step, for any thread: windows in, logits out."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from vllm import PoolingParams

from vtag.compat.vllm_engine import prompt_of
from vtag.engine.batching import logits_of, requests, steps
from vtag.engine.thread import EngineThread
from vtag.errors import error
from vtag.model.plan import Plan
from vtag.types import Window

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest

    # One adapter for all windows, or one for each text.
    Adapters: TypeAlias = list[LoRARequest] | LoRARequest | None


class Runner:
    """Runs windows on an engine, for any thread. `bar`: its `update` is called with the number of finished windows."""

    def __init__(self, owner: EngineThread, plan: Plan) -> None:
        self._engine_thread = owner
        self._plan = plan
        self._keys = count()

    def run(self, windows: Sequence[Window], lora_request: Adapters = None, bar: Any = None) -> list[np.ndarray]:
        """Logits of each window, float32 [tokens, labels]."""
        future = self.start(windows, lora_request, bar)
        try:
            return future.result()
        finally:
            future.cancel()  # after Ctrl-C

    def start(
        self, windows: Sequence[Window], lora_request: Adapters = None, bar: Any = None
    ) -> Future[list[np.ndarray]]:
        """As `run`, without waiting."""
        self._engine_thread.check()
        if lora_request:
            self._check_lora(lora_request)
        return self._engine_thread.start(self._work(windows, lora_request, bar))

    def _work(
        self, windows: Sequence[Window], lora_request: Adapters, bar: Any
    ) -> Generator[None, None, list[np.ndarray]]:
        """Run the windows step by step, on the engine's thread."""
        adapters_of = [
            lora_request[window.text] if isinstance(lora_request, list) else lora_request for window in windows
        ]
        logits: list[Any] = [None] * len(windows)
        for number, step in enumerate(self._steps(windows, adapters_of)):
            if number:
                yield
            for request, rows in self._run_step(windows, step, adapters_of):
                end = 0
                for i in request.tolist():
                    start, end = end, end + len(windows[i].ids)
                    logits[i] = rows[start:end]
                if bar is not None:
                    bar.update(len(request))
        return logits

    def _steps(
        self, windows: Sequence[Window], adapters_of: Sequence[LoRARequest | None]
    ) -> Iterator[list[np.ndarray]]:
        """The requests of each step, as indices of their windows. Steps depend on these windows alone, and not on other
        threads, because batch composition changes low-order bits.
        """
        lengths = np.array([len(window.ids) for window in windows], dtype=np.int64)
        scheduler = self._engine_thread.engine.vllm_config.scheduler_config
        if self._plan.packed:
            for request in requests(lengths, scheduler.max_num_batched_tokens):
                yield [request]
            return
        # vLLM's CPU kernels would apply an adapter to requests without one in the same step.
        without = np.array([adapter is None for adapter in adapters_of], dtype=bool)
        for part in (np.flatnonzero(without), np.flatnonzero(~without)):
            for step in steps(lengths[part], scheduler.max_num_batched_tokens, scheduler.max_num_seqs):
                yield list(part[step, None])

    def _run_step(
        self, windows: Sequence[Window], step: list[np.ndarray], adapters_of: Sequence[LoRARequest | None]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Each request of the step with its logits, float32 [tokens, labels]."""
        engine = self._engine_thread.engine
        running: dict[str, np.ndarray] = {}
        done: list[tuple[np.ndarray, np.ndarray]] = []
        try:
            for request in step:
                params = PoolingParams(task="token_classify", use_activation=False)
                if self._plan.packed:
                    params.extra_kwargs = {"lens": [len(windows[i].ids) for i in request]}
                ids = np.concatenate([windows[i].ids for i in request]).tolist()
                key = f"vtag-{next(self._keys)}"
                engine.add_request(key, prompt_of(ids), params, lora_request=adapters_of[request[0]])
                running[key] = request
            while running:
                for output in engine.step():
                    done.append((running.pop(output.request_id), logits_of(output, self._plan.name)))
        finally:
            if running:
                engine.abort_request(list(running))
        return done

    def _check_lora(self, lora_request: list[LoRARequest] | LoRARequest) -> None:
        if self._plan.packed:
            raise error("packed_lora")
        from vtag.engine import lora

        asked = lora_request if isinstance(lora_request, list) else [lora_request]
        for request in {request.lora_int_id: request for request in asked if request is not None}.values():
            lora.check(request, self._engine_thread.engine.vllm_config.lora_config)
