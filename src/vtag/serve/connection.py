"""uvicorn's HTTP connection, and an end to those that say nothing."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The head of a request has so long to arrive, once the connection stands or its first byte came.
HEAD_SECONDS = 20
# A request that is answered already may send the rest of its body so long: closed at once, it would miss the answer.
LINGER_SECONDS = 5
# Of a peer that is gone without a word.
GONE_SECONDS = 60


class Connection(HttpToolsProtocol):
    """Closed where a head does not come, or a body goes on long after the answer. The body's own time: `body.whole`."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = Joined(transport, self.loop)  # type: ignore[assignment]
        self._wait(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        self._wait(None)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.cycle.response_complete:
            self._wait(HEAD_SECONDS)

    def on_response_complete(self) -> None:
        if self.cycle.more_body:
            self._wait(LINGER_SECONDS)
        super().on_response_complete()

    def _wait(self, seconds: float | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._patience = None if seconds is None else self.loop.call_later(seconds, self.transport.close)


class Joined:
    """A transport whose writes of one turn of the loop are one: an answer's head and body are a packet, not two."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """At the end of the turn."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        """After all that was written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting and not self._transport.is_closing():  # the client may have gone since
            self._transport.write(b"".join(self._waiting))
        self._waiting.clear()


def notice_the_gone(sock: socket.socket) -> None:
    """Of a listening socket: the kernel ends connections whose peer is gone, also while an answer is on its way."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in {
        "TCP_KEEPIDLE": GONE_SECONDS,
        "TCP_KEEPINTVL": GONE_SECONDS // 6,
        "TCP_KEEPCNT": 6,
        "TCP_USER_TIMEOUT": GONE_SECONDS * 1000,
    }.items():
        if hasattr(socket, name):  # not on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
