"""vLLM's `/pooling` for texts of any length: its schema, its error body, and windows where a prompt is too long."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import torch
from fastapi import Request, Response
from vllm import PoolingParams, PoolingRequestOutput
from vllm.engine.protocol import EngineClient
from vllm.entrypoints.pooling.classify.io_processor import TokenClassifyIOProcessor
from vllm.entrypoints.pooling.pooling.serving import ServingPooling
from vllm.entrypoints.pooling.typing import AnyRenderParam, PoolingServeContext
from vllm.model_executor.layers.pooler.activations import resolve_classifier_act_fn
from vllm.outputs import PoolingOutput

from vtag.errors import VtagError, error
from vtag.serve.http import refusal
from vtag.serve.service import Service


class LimitExceededError(Exception):
    """An error of the table that is answered as on vtag's routes; other errors are answered in vLLM's words."""


async def limit_exceeded(request: Request, raised: Exception) -> Response:
    """Handler of it."""
    return refusal(raised.args[0])


class AnyLength(ServingPooling):
    """vLLM's handler, which on the packed route would take a pack's length for a text's."""

    def __init__(self, stock: ServingPooling, service: Service) -> None:
        super().__init__(
            stock.engine_client,
            stock.models,
            supported_tasks=stock.supported_tasks,
            request_logger=stock.request_logger,
            chat_template_config=stock.chat_template_config,
        )
        self.max_model_len = service.tagger.max_length
        self.io_processors["token_classify"] = _NotTooLong(
            self.vllm_config, self.renderer, self.chat_template_config, limit=self.max_model_len
        )
        self.engine_client = self._windows = _InWindows(stock.engine_client, service)
        self._most_tokens = service.limits.scores // len(service.tagger.id2label)
        self._limit = service.limits.scores

    async def _prepare_generators(self, ctx: PoolingServeContext) -> None:
        tokens = sum(len(made["prompts"].get("prompt_token_ids", ())) for made in ctx.engine_inputs or ())
        if tokens > self._most_tokens:
            raise LimitExceededError(error("too_many_scores", limit=self._limit))
        self._windows.prompts[ctx.request_id] = len(ctx.engine_inputs or ())
        await super()._prepare_generators(ctx)

    async def _collect_batch(self, ctx: PoolingServeContext) -> None:
        try:
            await super()._collect_batch(ctx)
        finally:
            del self._windows.prompts[ctx.request_id]


class _NotTooLong(TokenClassifyIOProcessor):
    """Prompts as vLLM makes them, none of which is too long; what cuts or fills them knows the model's own limit."""

    def __init__(self, *args: Any, limit: int) -> None:
        super().__init__(*args)
        model_config: Any = copy(self.vllm_config.model_config)
        model_config.max_model_len = limit
        self.model_config = model_config

    def get_request_factory_online(self, ctx: PoolingServeContext) -> Sequence[AnyRenderParam]:
        requests = super().get_request_factory_online(ctx)
        for request in requests:
            if request["tok_params"].truncate_prompt_tokens is None:
                request["tok_params"] = replace(request["tok_params"], max_total_tokens=None)
        return requests


class _InWindows:
    """vLLM's engine, as its handler uses it, in which prompts wait for their turn with the texts of other routes.

    prompts: how many a request has, by its id.
    """

    def __init__(self, engine: EngineClient, service: Service) -> None:
        self._engine = engine
        self._service = service
        self.prompts: dict[str, int] = {}
        self._activation = resolve_classifier_act_fn(engine.vllm_config.model_config)

    async def encode(
        self, prompt: Any, pooling_params: PoolingParams, request_id: str, **kwargs: Any
    ) -> AsyncGenerator[PoolingRequestOutput, None]:
        """One output of one row per token, stitched from windows where the prompt is too long for one."""
        ids = prompt.get("prompt_token_ids", ())
        if not ids or not 0 <= min(ids) <= max(ids) < self._service.tagger.vocabulary:  # refused in vLLM's words
            async for output in self._engine.encode(prompt, pooling_params, request_id, **kwargs):
                yield output
            return
        request = request_id.rpartition("-")[0]
        try:
            logits = await self._service.logits(ids, prompt.get("prompt"), request, much=self.prompts[request] > 1)
        except VtagError as refused:
            raise (LimitExceededError(refused) if refused.status in (413, 429) else refused) from None
        rows = torch.from_numpy(logits)
        if pooling_params.use_activation:
            rows = self._activation(rows)
        yield PoolingRequestOutput(request_id, PoolingOutput(rows), ids, num_cached_tokens=0, finished=True)
