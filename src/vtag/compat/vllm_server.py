"""vLLM's HTTP app: how it is made, what it keeps in its state, and its handler of /pooling."""

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
    """What a server of vLLM's is started with, all by default, without a key and open to no web page."""
    args: Namespace = make_arg_parser(FlexibleArgumentParser()).parse_args([])
    args.allowed_origins = []  # of other sites' pages; vLLM lets in all
    args.enable_offline_docs = True  # the scripts of /docs are this server's
    return args


async def app(client: EngineClient, args: Namespace, **state: Any) -> FastAPI:
    """vLLM's app over this engine, with the routes of endpoint plugins; `state` is what these find in the app's."""
    tasks = await client.get_supported_tasks()
    made: FastAPI = build_app(args, tasks, client.vllm_config.model_config)
    for name, value in state.items():
        setattr(made.state, name, value)
    await init_app_state(client, made.state, args, tasks)
    return made


async def is_per_token(client: EngineClient) -> bool:
    """Whether the model answers for each token; one for whole texts serves that task too, beside its own."""
    tasks = await client.get_supported_tasks()
    return bool(client.vllm_config.model_config.get_pooling_task(tasks) == TASK)


def adapters(state: State) -> Any:
    """Name -> LoRA adapter of a server."""
    return state.openai_serving_models.lora_requests


def tell_of_model(state: State, names: Sequence[str], limit: int) -> None:
    """What vLLM's routes say of the model: its names, and how many tokens a text may have."""
    registry = state.openai_serving_models.registry
    told = copy(registry.model_config)
    told.max_model_len = limit
    registry.model_config = state.serving_tokenization.model_config = told
    registry.base_model_paths = [BaseModelPath(name, name) for name in names]


class PoolingHandler(ServingPooling):
    """vLLM's handler of /pooling over an engine of the caller's, for prompts of any length.

    stock: the handler that vLLM has made. engine: has `encode`, as vLLM's has. limit: tokens of a text, for what cuts
    or fills texts.
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
        """A request begins: its id, and how many tokens each of its prompts has."""

    def end(self, request: str) -> None:
        """A request that began has ended."""

    async def _prepare_generators(self, ctx: PoolingServeContext) -> None:
        prompts = [made["prompts"].get("prompt_token_ids", ()) for made in ctx.engine_inputs or ()]
        self.begin(ctx.request_id, [*map(len, prompts)])
        await super()._prepare_generators(ctx)

    async def _collect_batch(self, ctx: PoolingServeContext) -> None:
        try:
            await super()._collect_batch(ctx)
        finally:
            self.end(ctx.request_id)


def request_of(prompt: str) -> str:
    """The id of the request of a prompt with this id."""
    return prompt.rpartition("-")[0]


def handler(state: State) -> Any:
    """Of /pooling."""
    return state.serving_pooling


def set_handler(state: State, handler: PoolingHandler) -> None:
    """Have another one answer /pooling."""
    state.serving_pooling = handler


class NoLengthLimit(TokenClassifyIOProcessor):
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
