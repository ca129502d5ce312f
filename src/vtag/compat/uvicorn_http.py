"""uvicorn's HTTP/1.1 connection, by the names of httptools' callbacks, and the state of its current request."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle


class HttpConnection(HttpToolsProtocol):
    """A connection that parses input by `parser.feed_data`.

    Attributes of uvicorn: `parser`, `transport`, `loop`, `url`, `headers`, and `cycle`, the current or last request,
    None before the first. The functions below read a cycle.
    """

    def no_longer_idle(self) -> None:
        """Input has arrived: do not close the connection as idle."""
        self._unset_keepalive_if_required()


def body_comes(cycle: RequestResponseCycle) -> bool:
    """Whether a part of the request's body is still missing."""
    return bool(cycle.more_body)


def is_being_answered(cycle: RequestResponseCycle) -> bool:
    """Whether its response has started."""
    return bool(cycle.response_started)


def is_answered(cycle: RequestResponseCycle) -> bool:
    """Whether its response is complete."""
    return bool(cycle.response_complete)


def version(cycle: RequestResponseCycle) -> str:
    """The request's HTTP version: "1.0" or "1.1"."""
    return str(cycle.scope["http_version"])


def close_after(cycle: RequestResponseCycle) -> None:
    """Close the connection after this request."""
    cycle.keep_alive = False


def status_line(status: int) -> bytes:
    """The status line of a response, with its line end."""
    line: bytes = STATUS_LINE[status]
    return line
