"""uvicorn's HTTP/1.1 connection, by the names of httptools' callbacks, and what it knows of the request under way."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

__all__ = ["HttpConnection", "RequestResponseCycle", "status_line"]


class HttpConnection(HttpToolsProtocol):
    """A connection that reads what comes by `parser.feed_data`.

    Of uvicorn's: `parser`, `transport`, `loop`, `url`, `headers`, and `cycle`, the request under way, with its
    `more_body`, `response_started`, `response_complete`, `keep_alive` and `scope`.
    """

    cycle: Any

    def no_longer_idle(self) -> None:
        """Something has come: do not close it for being idle."""
        self._unset_keepalive_if_required()


def status_line(status: int) -> bytes:
    """The first line of a response, with its end."""
    line: bytes = STATUS_LINE[status]
    return line
