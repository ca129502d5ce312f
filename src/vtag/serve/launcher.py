"""From a plan to a server that listens, and to its end.

vLLM's own `run_server` hangs on SIGTERM with requests in flight, and exits 0 after its engine died.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from types import FrameType

import uvicorn
import uvloop
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp
from vllm.engine.protocol import EngineClient

from vtag._version import __version__
from vtag.compat import vllm_server
from vtag.compat.names import ASYNC_LOGGER, PLUGIN_GROUPS
from vtag.engine import async_engine
from vtag.errors import error
from vtag.serve.http.access_log import AccessLog
from vtag.serve.http.connection import Connection, enable_tcp_keepalive
from vtag.serve.http.middleware import AccessMiddleware, AccessPolicy, remove_unused_routes
from vtag.serve.http.request_id import HEADER, RequestIds
from vtag.serve.http.responses import TAGGED
from vtag.serve.limits import GRACE_SECONDS, IDLE_SECONDS
from vtag.serve.pipeline import long_texts
from vtag.serve.pipeline.service import Service
from vtag.serve.plugin import ServeConfig
from vtag.system import device, environment

ENGINE_DIED = 1
WATCH_SECONDS = 0.5
# How long a thread keeps the GIL while the event loop, on which all clients wait, requests it.
SWITCH_SECONDS = 0.0005
# Grace period after the engine's death: long enough for error responses, without waiting for bodies.
FAREWELL_SECONDS = 2
# Loggers of stack traces: responses and the exit code already report the engine's death.
LOGS = (ASYNC_LOGGER, "uvicorn.error", "asyncio")


def serve(served: ServeConfig, sock: socket.socket, access: AccessPolicy, listening: Callable[[], None]) -> int:
    """Serve until SIGTERM (0), Ctrl-C (130, by KeyboardInterrupt) or the engine's death (1); returns the exit code.

    sock: bound, not yet listening. listening: called once the server listens.
    """
    os.register_at_fork(after_in_child=sock.close)  # the engine must not hold the port
    os.environ.pop("VLLM_API_KEY", None)  # the AccessMiddleware checks it; vLLM would require it of monitors too
    os.environ.pop("VLLM_ALLOW_RUNTIME_LORA_UPDATING", None)  # removes routes that load adapters, which are not served
    os.environ.pop("VLLM_SERVER_DEV_MODE", None)  # removes routes that reset the engine
    os.environ.setdefault("OMP_NUM_THREADS", str(len(device.cores())))  # vLLM's default is one thread
    # Endpoint plugins load only if named, and naming some leaves out all others.
    named = {point.name for group in PLUGIN_GROUPS for point in entry_points(group=group)}
    os.environ.setdefault("VLLM_PLUGINS", ",".join(sorted({"vtag", *named})))
    with environment.for_engine():
        for name in LOGS:
            logging.getLogger(name).addFilter(async_engine.without_traceback)
        gc.collect()
        gc.freeze()  # collections would copy the pages that forks share with this process
        served = replace(served, forks=long_texts.start(served.plan.tagger))
        client = async_engine.start(served.plan)
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            return uvloop.run(_serve(served, client, sock, access, listening))
        finally:
            client.shutdown(timeout=0)  # at once: it has no state to save


class _Server(uvicorn.Server):
    """uvicorn's server with a callback when it listens, and an error for pending requests when it ends."""

    def __init__(self, config: uvicorn.Config, service: Service, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._service = service
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            gc.collect()
            gc.freeze()  # else a collection walks all imported objects, and all clients wait 0.2 s
            self._listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Half a second is for sending responses, so that the server ends in time.
        timer = asyncio.get_running_loop().call_later(GRACE_SECONDS - 0.5, self._service.end, error("ending"))
        await super().shutdown(sockets)
        timer.cancel()


async def _serve(
    served: ServeConfig, client: EngineClient, sock: socket.socket, access: AccessPolicy, listening: Callable[[], None]
) -> int:
    args = vllm_server.arguments()
    args.model = str(served.plan.arguments["model"])
    args.served_model_name = list(served.names)
    app = await vllm_server.app(client, args, served=served, keys=access.keys)
    app.title, app.version = "vtag", __version__
    remove_unused_routes(app)
    gate: ASGIApp = AccessMiddleware(app, access)
    if access.origins:
        shown = [HEADER, *TAGGED[200]["headers"]]
        gate = CORSMiddleware(
            gate, access.origins, allow_methods=["GET", "POST"], allow_headers=["*"], expose_headers=shown
        )
    config = uvicorn.Config(
        RequestIds(AccessLog(gate, served.access_log) if served.access_log else gate),
        http=Connection,
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS + FAREWELL_SECONDS,
    )
    enable_tcp_keepalive(sock)
    server = _Server(config, app.state.vtag, listening)
    app.state.server = server
    # uvicorn handles the signals while it serves, and raises them again at its end: these handlers get them.
    signal.signal(signal.SIGTERM, _nothing)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    watch = asyncio.create_task(_end_with_the_engine(server, client))
    await server.serve(sockets=[sock])
    watch.cancel()
    return ENGINE_DIED if client.errored else 0


async def _end_with_the_engine(server: uvicorn.Server, client: EngineClient) -> None:
    while not client.errored:
        await asyncio.sleep(WATCH_SECONDS)
    server.config.timeout_graceful_shutdown = FAREWELL_SECONDS
    server.should_exit = True


def _nothing(number: int, frame: FrameType | None) -> None:
    """SIGTERM after a graceful end."""
