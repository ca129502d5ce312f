"""The access log, one line a request: neither texts nor raw paths, which may contain text."""

from __future__ import annotations

import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG = logging.getLogger("vtag.access")


class AccessLog:
    """ASGI middleware that logs `127.0.0.1 POST /v1/tag 200 12.3 ms`, with the route's path from the OpenAPI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        LOG.setLevel(logging.INFO)
        LOG.addHandler(logging.StreamHandler())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            client: Any = scope.get("client") or "-"
            route = getattr(scope.get("route"), "path", "-")
            took = 1e3 * (time.perf_counter() - start)
            LOG.info("%s %s %s %d %.1f ms", client[0], scope["method"], route, status, took)
