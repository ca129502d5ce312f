"""Streams of events, in a request and its response: JSON objects as lines (NDJSON) or as server-sent events.

A client reads while it writes: an event may follow each piece that it sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import orjson
from fastapi import Request, Response
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from vtag.errors import error
from vtag.serve.http.responses import to_json
from vtag.serve.http.route import answer
from vtag.serve.limits import EVENT_BYTES, STREAM_BYTES, STREAM_IDLE_SECONDS

LINES, SERVER_SENT = "application/x-ndjson", "text/event-stream"
# Ends a stream of OpenAI's.
DONE = b"[DONE]"
Work = Callable[[AsyncIterator[list[bytes]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


def media_type(headers: Headers) -> str | None:
    """LINES or SERVER_SENT; None for a body that is no stream."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind if kind in (LINES, SERVER_SENT) else None


class Parser:
    """Bytes -> the JSON of events. The bytes may be cut anywhere."""

    def __init__(self, kind: str) -> None:
        self._server_sent = kind == SERVER_SENT
        # The beginning of a line, and the lines of data of an event, with their bytes.
        self._rest: list[bytes] = []
        self._data: list[bytes] = []
        self._of_rest = self._of_data = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Events that are complete. Raises InputError for one that is too large."""
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._rest, lines[0]])
            self._rest, self._of_rest = [], 0
        self._rest.append(rest)
        self._of_rest += len(rest)
        found = []
        for line in lines:
            event = self._line(line.removesuffix(b"\r"))
            self._check(len(event or b""))
            if event is not None and event.strip() not in (b"", DONE):
                found.append(event)
        self._check(self._of_rest)
        return found

    def end(self) -> list[bytes]:
        """The last event, if it has no end of its own."""
        return self.feed(b"\n\n")

    def _check(self, size: int) -> None:
        if size + self._of_data > EVENT_BYTES:
            raise error("event_too_large", limit=EVENT_BYTES)

    def _line(self, line: bytes) -> bytes | None:
        """The event that a line completes."""
        if not self._server_sent:
            return line
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            self._of_data += len(line)
        elif not line and self._data:
            event = b"\n".join(self._data)
            self._data, self._of_data = [], 0
            return event
        return None


def written(content: Any, kind: str) -> bytes:
    """The bytes of an event."""
    body = to_json(content)
    return b"data: " + body + b"\n\n" if kind == SERVER_SENT else body + b"\n"


async def read_events(request: Request, kind: str) -> AsyncIterator[list[bytes]]:
    """The events of a body, as they come. Raises InputError for what is over a limit, ClientDisconnect."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise error("not_json")
    parser, size, more = Parser(kind), 0, True
    while more:
        try:
            async with asyncio.timeout(STREAM_IDLE_SECONDS):
                message = await request.receive()
        except TimeoutError:
            raise error("idle_stream", seconds=STREAM_IDLE_SECONDS) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > STREAM_BYTES:
            raise error("stream_too_large", limit=STREAM_BYTES)
        yield parser.feed(chunk)
    yield parser.end()


class EventStream(Response):
    """The response to a stream: `work(events, write)` reads the one and writes the other.

    An error before the first event is an ordinary response; a later one is the last event.
    """

    def __init__(self, request: Request, kind: str, work: Work) -> None:
        self._request = request
        self._kind = kind
        self._work = work
        self.status_code = 200
        self.background = None
        self.init_headers({"Cache-Control": "no-cache", "X-Accel-Buffering": "no", "Content-Type": kind})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        begun = stuck = False

        async def out(body: bytes, *, more: bool = True) -> None:
            nonlocal begun, stuck
            messages: Sequence[dict[str, Any]] = [{"type": "http.response.body", "body": body, "more_body": more}]
            if not begun:
                start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                messages = [start, *messages]
            begun = True
            try:
                async with asyncio.timeout(STREAM_IDLE_SECONDS):
                    for message in messages:
                        await send(message)
            except TimeoutError:
                stuck = True
                raise error("idle_stream", seconds=STREAM_IDLE_SECONDS) from None

        async def write(content: Any) -> None:
            await out(written(content, self._kind))

        async def ask() -> None:
            await self._work(read_events(self._request, self._kind), write)
            await out(b"", more=False)

        failed = await answer(self._request, ask)
        if failed is None:
            return
        if not begun:
            self.status_code = failed.status_code
            await failed(scope, receive, send)
        elif failed.body and not stuck:
            with suppress(Exception):
                await out(written(orjson.Fragment(bytes(failed.body)), self._kind), more=False)
