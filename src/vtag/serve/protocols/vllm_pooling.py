"""vLLM's `/pooling` for texts of any length: its schema, its error body, and windows for long prompts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import torch
from fastapi import Request, Response
from vllm import PoolingParams, PoolingRequestOutput
from vllm.engine.protocol import EngineClient
from vllm.outputs import PoolingOutput

from vtag.compat.vllm_models import activation
from vtag.compat.vllm_server import PoolingHandler, request_of
from vtag.errors import VtagError, error
from vtag.serve.http.responses import refusal
from vtag.serve.pipeline.service import Service


class LimitExceededError(Exception):
    """An error that is answered in the form of vtag's routes; other errors have vLLM's form."""


async def limit_exceeded(request: Request, raised: Exception) -> Response:
    """Handler of LimitExceededError."""
    return refusal(raised.args[0])


class WindowedPooling(PoolingHandler):
    """vLLM's /pooling handler, limited by the model's maximum length and not by that of a packed request."""

    def __init__(self, stock: Any, client: EngineClient, service: Service) -> None:
        self._windows = WindowedEngineClient(client, service)
        super().__init__(stock, self._windows, service.tagger.max_length)
        self._most_tokens = service.limits.scores // len(service.tagger.id2label)
        self._limit = service.limits.scores

    def begin(self, request: str, lengths: Sequence[int]) -> None:
        if sum(lengths) > self._most_tokens:
            raise LimitExceededError(error("too_many_scores", limit=self._limit))
        self._windows.prompts[request] = len(lengths)

    def end(self, request: str) -> None:
        del self._windows.prompts[request]


class WindowedEngineClient:
    """vLLM's engine client for that handler: prompts share the engine's steps with texts of other routes.

    prompts: the number of prompts of each request, by its id.
    """

    def __init__(self, engine: EngineClient, service: Service) -> None:
        self._engine = engine
        self._service = service
        self.prompts: dict[str, int] = {}
        self._activation = activation(engine.vllm_config.model_config)

    async def encode(
        self, prompt: Any, pooling_params: PoolingParams, request_id: str, **kwargs: Any
    ) -> AsyncGenerator[PoolingRequestOutput, None]:
        """One output with one row per token, stitched from windows if the prompt is too long for one."""
        ids = prompt.get("prompt_token_ids", ())
        if not ids or not 0 <= min(ids) <= max(ids) < self._service.tagger.vocabulary:  # vLLM's handler refuses these
            async for output in self._engine.encode(prompt, pooling_params, request_id, **kwargs):
                yield output
            return
        request = request_of(request_id)
        try:
            logits = await self._service.logits(ids, prompt.get("prompt"), request, large=self.prompts[request] > 1)
        except VtagError as refused:
            raise (LimitExceededError(refused) if refused.status in (413, 429) else refused) from None
        rows = torch.from_numpy(logits)
        if pooling_params.use_activation:
            rows = self._activation(rows)
        yield PoolingRequestOutput(request_id, PoolingOutput(rows), ids, num_cached_tokens=0, finished=True)
