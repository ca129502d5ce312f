"""The entry point of the group `vllm.endpoint_plugins`: vtag's routes on vLLM's app."""

from __future__ import annotations

import os
import socket
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from vllm.engine.protocol import EngineClient
from vllm.tasks import SupportedTask

from vtag.compat import vllm_server
from vtag.engine.async_engine import AsyncEngine
from vtag.errors import VtagError, error, reason
from vtag.model import checkpoint
from vtag.model.plan import Plan, of_engine
from vtag.serve.http.responses import unknown_route
from vtag.serve.limits import Limits
from vtag.serve.page import docs, playground
from vtag.serve.pipeline.redaction import Redaction
from vtag.serve.pipeline.service import Service
from vtag.serve.protocols import anonymizer, fms, huggingface, litellm, nemo, presidio, redact, semantic_router, vtag
from vtag.serve.protocols.kserve import routes as kserve
from vtag.serve.protocols.vllm_pooling import LimitExceededError, WindowedPooling, limit_exceeded

ROUTERS = (
    huggingface.router,
    vtag.router,
    redact.router,
    presidio.router,
    anonymizer.router,
    litellm.router,
    semantic_router.router,
    nemo.router,
    nemo.chat_router,
    fms.router,
    kserve.binary_router,
    kserve.router,
    playground.router,
    docs.router,
)


@dataclass(frozen=True, slots=True, eq=False)
class ServeConfig:
    """The configuration of `vtag serve`, kept in the app's state.

    redaction: the policy and key. access_log: its format, if there is one. forks: from `long_texts.start`.
    """

    plan: Plan
    names: Sequence[str]
    limits: Limits
    redaction: Redaction
    access_log: str | None = None
    forks: socket.socket | None = None


class Plugin:
    """Implements vLLM's `vllm.plugins.endpoint_plugins.interface.EndpointPlugin`."""

    name = "vtag"
    required_tasks: tuple[SupportedTask, ...] | None = ("token_classify",)

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes."""
        for router in ROUTERS:
            app.include_router(router)
        app.add_exception_handler(HTTPException, unknown_route)
        app.add_exception_handler(LimitExceededError, limit_exceeded)

    async def init_state(self, engine_client: EngineClient, state: State, args: Namespace) -> None:
        """Create the service; in vLLM's own server, routes report why a model cannot be served."""
        state.client = engine_client
        served: ServeConfig | None = getattr(state, "served", None)
        if served is not None:
            state.vtag = _service(served, state)
            vllm_server.set_handler(state, WindowedPooling(vllm_server.handler(state), engine_client, state.vtag))
            vllm_server.set_model_info(state, served.names, state.vtag.tagger.max_length)
            return
        state.keys = [key for key in args.api_key or [os.environ.get("VLLM_API_KEY")] if key]
        try:
            state.vtag = _service(await _found(engine_client, args), state)
        except VtagError as refused:
            state.vtag = refused
        except Exception as cause:
            state.vtag = error("not_for_spans", reason=reason(cause))


async def _found(client: EngineClient, args: Namespace) -> ServeConfig:
    """The configuration for a server that vLLM started."""
    if (getattr(args, "api_server_count", None) or 1) > 1:
        raise error("several_servers")
    names = args.served_model_name or [args.model]
    if not await vllm_server.is_per_token(client):
        raise error("sequence_classifier", model=names[0])
    plan = of_engine(client.vllm_config, client.get_tokenizer())
    return ServeConfig(plan, names, Limits(), Redaction(plan.tagger.names.of_spans))


def _service(served: ServeConfig, state: State) -> Service:
    plan = served.plan
    return Service(
        AsyncEngine(plan, state.client),
        plan.tagger,
        served.names,
        served.limits,
        adapters=vllm_server.adapters(state),
        languages=checkpoint.languages(plan.checkpoint.folder),
        redaction=served.redaction,
        forks=served.forks,
    )
