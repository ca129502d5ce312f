"""uvicorn's HTTP connection with timeouts and limits for silent and oversized requests, and without upgrades."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httptools

from vtag.compat import uvicorn_http
from vtag.compat.uvicorn_http import HttpConnection, RequestResponseCycle, status_line
from vtag.errors import VtagError, error
from vtag.serve.http.responses import to_json
from vtag.serve.limits import HEAD_BYTES, HEAD_SECONDS, LINGER_SECONDS

# Seconds after which a silent peer counts as gone.
GONE_SECONDS = 60
# When to probe a client that has closed its side; Go's client accepts at most five such responses.
ASKED_SECONDS = (0.1, 0.3, 1)


class Connection(HttpConnection):
    """Closed if a head does not arrive, or a body continues long after the response. `read_body` has the timeout of
    the body.

    Upgrades (to HTTP/2, to WebSocket) are ignored, as RFC 9110, 7.8 allows: the response is HTTP/1.1.
    """

    _timeout: asyncio.TimerHandle | None = None
    # Bytes of a message outside of its body; whether a message began in the current input, and how much of that is
    # body.
    _overhead = 0
    _begun = False
    _body = 0
    # Whether the current request asks for an upgrade; whether all further input is ignored.
    _upgrading = False
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = CoalescingTransport(transport, self.loop)  # type: ignore[assignment]
        self._set_timeout(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_timeout(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self.no_longer_idle()
        self._begun, self._body = False, 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as failed:
            self._refuse(failed.__context__ if isinstance(failed.__context__, VtagError) else error("bad_http"))
        else:
            if not self._begun:  # each byte of a body may be a chunk of its own, with its length and two line ends
                self._overhead = max(self._overhead + len(data) - 9 * self._body, 0)
            if self._overhead > HEAD_BYTES:
                self._refuse(error("head_too_large", limit=HEAD_BYTES))

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection: a client may close its side and wait for the response, and a client that left looks the
        same.

        Probe it with 100 Continue: a client that left answers with a reset.
        """
        cycle = self.cycle
        if cycle is None or uvicorn_http.body_comes(cycle) or uvicorn_http.is_answered(cycle):
            return False
        if uvicorn_http.version(cycle) == "1.0":
            return False
        uvicorn_http.close_after(cycle)
        for seconds in ASKED_SECONDS:
            self.loop.call_later(seconds, self._probe, cycle)
        return True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._overhead, self._begun = 0, True
        self._set_timeout(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEAD_BYTES:
            raise error("head_too_large", limit=HEAD_BYTES)
        if self.parser.get_method() == b"CONNECT":  # CONNECT is for proxies
            raise error("bad_http")
        self._upgrading = self.parser.should_upgrade()
        if self._upgrading:
            return
        self._set_timeout(None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        super().on_message_complete()
        if uvicorn_http.is_answered(self.cycle):
            self._set_timeout(HEAD_SECONDS)

    def on_response_complete(self) -> None:
        if uvicorn_http.body_comes(self.cycle):
            self._set_timeout(LINGER_SECONDS)
        super().on_response_complete()

    def _without_upgrade(self, rest: bytes) -> None:
        """Parse the head again without its upgrade, and what follows as its body."""
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/1.1"]
        for name, value in self.headers:
            if name == b"connection" and b"close" in value.lower():
                lines.append(b"connection: close")
            elif name not in (b"connection", b"upgrade", b"http2-settings"):
                lines.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([*lines, b"", rest]))

    def _probe(self, cycle: RequestResponseCycle) -> None:
        """Probe whether somebody still waits for the response."""
        if not (self.transport.is_closing() or uvicorn_http.is_being_answered(cycle)):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, refused: VtagError) -> None:
        """Answer input that is no valid request; ignore further input, so that the client receives the response."""
        self._refused = True
        body = to_json({"error": str(refused), "error_type": refused.kind})
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(status_line(refused.status) + head.encode() + body)
        self.transport.write_eof()
        self._set_timeout(LINGER_SECONDS)

    def _set_timeout(self, seconds: float | None) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
        self._timeout = None if seconds is None else self.loop.call_later(seconds, self.transport.close)


class CoalescingTransport:
    """A transport that joins the writes of one event-loop iteration: a response's head and body become one packet."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Queue data until the end of the iteration."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def write_eof(self) -> None:
        """Close the writing side after all queued data; input is still read."""
        self._flush()
        if not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """Close after all queued data."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting and not self._transport.is_closing():  # the client may have left since
            self._transport.write(b"".join(self._waiting))
        self._waiting.clear()


def enable_tcp_keepalive(sock: socket.socket) -> None:
    """Enable keepalive on a listening socket: the kernel closes connections to peers that are gone, also during a
    response.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in {
        "TCP_KEEPIDLE": GONE_SECONDS,
        "TCP_KEEPINTVL": GONE_SECONDS // 6,
        "TCP_KEEPCNT": 6,
        "TCP_USER_TIMEOUT": GONE_SECONDS * 1000,
    }.items():
        if hasattr(socket, name):  # not on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
