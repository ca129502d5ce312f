"""The entry point of the group `vllm.endpoint_plugins`: vtag's routes on vLLM's app."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from vllm.engine.protocol import EngineClient
from vllm.tasks import SupportedTask

import vtag
from vtag.engine import checkpoint
from vtag.engine.online import AsyncEngine
from vtag.engine.plan import Plan, of_engine
from vtag.errors import VtagError, error
from vtag.serve import kserve, presidio, routes
from vtag.serve.http import no_route
from vtag.serve.limits import Limits
from vtag.serve.pooling import AnyLength
from vtag.serve.service import Service

ROUTERS = (routes.router, presidio.router, kserve.binary_router, kserve.router)


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """What `vtag serve` hands over as `args.vtag`; `names` are those of the model."""

    plan: Plan
    names: Sequence[str]
    limits: Limits


class Plugin:
    """As `vllm.plugins.endpoint_plugins.interface.EndpointPlugin` wants it."""

    name = "vtag"
    required_tasks: tuple[SupportedTask, ...] | None = ("token_classify",)

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes."""
        args = app.state.args
        app.title, app.version = "vtag", vtag.__version__
        app.state.keys = [key for key in args.api_key or [os.environ.get("VLLM_API_KEY")] if key]
        for router in ROUTERS:
            app.include_router(router)
        if hasattr(args, "vtag"):
            app.add_exception_handler(HTTPException, no_route)

    async def init_state(self, engine_client: EngineClient, state: State, args: Namespace) -> None:
        """Make what they share; in a server that vLLM started, what vtag cannot serve is said by the routes alone."""
        if hasattr(args, "vtag"):
            state.vtag = _service(args.vtag, state)
            state.serving_pooling = AnyLength(state.serving_pooling, state.vtag)
            return
        try:
            if (getattr(args, "api_server_count", None) or 1) > 1:
                raise error("several_servers")
            made = of_engine(engine_client.vllm_config, engine_client.get_tokenizer())
            state.vtag = _service(Served(made, args.served_model_name or [args.model], Limits()), state)
        except VtagError as refused:
            state.vtag = refused


def _service(served: Served, state: State) -> Service:
    made = served.plan
    return Service(
        AsyncEngine(made, state.engine_client),
        made.tagger(),
        served.names,
        served.limits,
        adapters=state.openai_serving_models.lora_requests,
        languages=checkpoint.languages(made.checkpoint.folder),
    )
