"""vLLM's HTTP app: how it is created, its state, and its /pooling handler."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import State
from vllm.engine.protocol import EngineClient
from vllm.entrypoints.launchers.api_server.app_state import init_app_state
from vllm.entrypoints.launchers.app import build_app
from vllm.entrypoints.openai.models.protocol import BaseModelPath
from vllm.entrypoints.pooling.classify.io_processor import TokenClassifyIOProcessor
from vllm.entrypoints.pooling.pooling.serving import ServingPooling
from vllm.entrypoints.pooling.typing import AnyRenderParam, PoolingServeContext
from vllm.utils.argparse_utils import FlexibleArgumentParser

from vtag.compat.vllm_models import TASK

try:
    from vllm.entrypoints.common.cli_args import make_arg_parser  # from 0.33 on
except ImportError:
    from vllm.entrypoints.launchers.cli_args import make_arg_parser


def arguments() -> Namespace:
    """Default arguments of vLLM's server, without a key and without CORS."""
    args: Namespace = make_arg_parser(FlexibleArgumentParser()).parse_args([])
    args.allowed_origins = []  # vLLM's default allows pages of all sites
    args.enable_offline_docs = True  # /docs loads its scripts from this server
    return args


async def app(client: EngineClient, args: Namespace, **state: Any) -> FastAPI:
    """vLLM's app over this engine, with the routes of endpoint plugins; `state` is copied to the app's state."""
    tasks = await client.get_supported_tasks()
    fastapi_app: FastAPI = build_app(args, tasks, client.vllm_config.model_config)
    for name, value in state.items():
        setattr(fastapi_app.state, name, value)
    await init_app_state(client, fastapi_app.state, args, tasks)
    return fastapi_app


async def is_per_token(client: EngineClient) -> bool:
    """Whether the model answers for each token; a sequence classifier serves that task too, beside its own."""
    tasks = await client.get_supported_tasks()
    return bool(client.vllm_config.model_config.get_pooling_task(tasks) == TASK)


def adapters(state: State) -> Any:
    """A server's LoRA adapters by name."""
    return state.openai_serving_models.lora_requests


def set_model_info(state: State, names: Sequence[str], limit: int) -> None:
    """Set what vLLM's routes report of the model: its names, and the limit of a text in tokens."""
    registry = state.openai_serving_models.registry
    model_config = copy(registry.model_config)
    model_config.max_model_len = limit
    registry.model_config = state.serving_tokenization.model_config = model_config
    registry.base_model_paths = [BaseModelPath(name, name) for name in names]


class PoolingHandler(ServingPooling):
    """vLLM's /pooling handler over another engine client, for prompts of any length.

    stock: vLLM's own handler. engine: has vLLM's `encode`. limit: tokens of a text, for requests that truncate or pad.
    """

    def __init__(self, stock: ServingPooling, engine: Any, limit: int) -> None:
        super().__init__(
            stock.engine_client,
            stock.models,
            supported_tasks=stock.supported_tasks,
            request_logger=stock.request_logger,
            chat_template_config=stock.chat_template_config,
        )
        self.max_model_len = limit
        self.io_processors[TASK] = NoLengthLimit(
            self.vllm_config, self.renderer, self.chat_template_config, limit=limit
        )
        self.engine_client = engine

    def begin(self, request: str, lengths: Sequence[int]) -> None:
        """Called when a request starts, with its id and the number of tokens of each of its prompts."""

    def end(self, request: str) -> None:
        """Called when a request has ended."""

    async def _prepare_generators(self, ctx: PoolingServeContext) -> None:
        prompts = [one["prompts"].get("prompt_token_ids", ()) for one in ctx.engine_inputs or ()]
        self.begin(ctx.request_id, [*map(len, prompts)])
        await super()._prepare_generators(ctx)

    async def _collect_batch(self, ctx: PoolingServeContext) -> None:
        try:
            await super()._collect_batch(ctx)
        finally:
            self.end(ctx.request_id)


def request_of(prompt: str) -> str:
    """The id of the request that a prompt's id belongs to."""
    return prompt.rpartition("-")[0]


def handler(state: State) -> Any:
    """The /pooling handler."""
    return state.serving_pooling


def set_handler(state: State, handler: PoolingHandler) -> None:
    """Replace the /pooling handler."""
    state.serving_pooling = handler


class NoLengthLimit(TokenClassifyIOProcessor):
    """vLLM's prompt processing without its length check; truncation and padding use the model's own limit."""

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
