"""The entry point of the group `vllm.endpoint_plugins`: vtag's routes on vLLM's app."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.datastructures import State
from vllm.engine.protocol import EngineClient
from vllm.tasks import SupportedTask

import vtag
from vtag.engine.online import AsyncEngine
from vtag.engine.plan import Plan
from vtag.serve.limits import Limits
from vtag.serve.routes import router
from vtag.serve.service import Service


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """What `vtag serve` hands over as `args.vtag`; a server of vLLM's own has none, and gets no routes."""

    plan: Plan
    model: str
    limits: Limits


class Plugin:
    """As `vllm.plugins.endpoint_plugins.interface.EndpointPlugin` wants it."""

    name = "vtag"
    required_tasks: tuple[SupportedTask, ...] | None = ("token_classify",)

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes."""
        if hasattr(app.state.args, "vtag"):
            app.title, app.version = "vtag", vtag.__version__
            app.include_router(router)

    async def init_state(self, engine_client: EngineClient, state: State, args: Namespace) -> None:
        """Make what they share."""
        if hasattr(args, "vtag"):
            served: Served = args.vtag
            tagger = served.plan.tagger()
            state.vtag = Service(AsyncEngine(served.plan, engine_client), tagger, served.model, served.limits)
