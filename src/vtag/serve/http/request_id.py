"""Request ids: `X-Request-Id`, by which a request is found in the response, the access log and the metrics."""

from __future__ import annotations

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-Id"
MOST_CHARACTERS = 128
_NAME = HEADER.lower().encode()
# Visible ASCII: an id cannot forge a line of a log, nor move the cursor of a terminal.
_ACCEPTED = re.compile(rb"[!-~]{1,%d}" % MOST_CHARACTERS)


class RequestIds:
    """ASGI middleware: takes the client's id or makes one, puts it in `scope["request_id"]` and in the response.

    What is behind does not see the header: vLLM would make it the id of the engine's request, which must be unique.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = [value for name, value in scope["headers"] if name == _NAME]
        if sent:
            scope["headers"] = [header for header in scope["headers"] if header[0] != _NAME]
        taken = len(sent) == 1 and _ACCEPTED.fullmatch(sent[0])
        value = sent[0] if taken else secrets.token_hex(16).encode()
        scope["request_id"] = value.decode("ascii")

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_NAME, value)]
            await send(message)

        await self._app(scope, receive, with_id)
