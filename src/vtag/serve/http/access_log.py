"""The access log, one line a request: neither texts nor raw paths, which may contain text."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG = logging.getLogger("vtag.access")


def _plain(entry: dict[str, Any]) -> str:
    """`127.0.0.1 POST /v1/tag 200 12.3 ms 4f1c…`."""
    return "{client} {method} {route} {status} {ms:.1f} ms {request_id}".format(ms=1e3 * entry["seconds"], **entry)


def _json(entry: dict[str, Any]) -> str:
    """The entry as JSON, with the time in UTC at which the response was complete."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return orjson.dumps({"time": now, **entry}).decode()


FORMATS: dict[str, Callable[[dict[str, Any]], str]] = {"plain": _plain, "json": _json}


class AccessLog:
    """ASGI middleware inside of RequestIds that logs each request; `route` is the route's path in the OpenAPI.

    style: one of FORMATS.
    """

    def __init__(self, app: ASGIApp, style: str) -> None:
        self._app = app
        self._line = FORMATS[style]
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
            entry = {
                "request_id": scope["request_id"],
                "client": client[0],
                "method": scope["method"],
                "route": getattr(scope.get("route"), "path", "-"),
                "status": status,
                "seconds": round(time.perf_counter() - start, 6),
            }
            LOG.info("%s", self._line(entry))
