"""uvicorn's HTTP/1.1 connection, by the names of httptools' callbacks, and what it knows of the request under way."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle


class HttpConnection(HttpToolsProtocol):
    """A connection that reads what comes by `parser.feed_data`.

    Of uvicorn's: `parser`, `transport`, `loop`, `url`, `headers`, and `cycle`, the request under way or the last one,
    None before the first. For a cycle there are the functions below.
    """

    def no_longer_idle(self) -> None:
        """Something has come: do not close it for being idle."""
        self._unset_keepalive_if_required()


def body_comes(cycle: RequestResponseCycle) -> bool:
    """Whether the request's body has not come whole."""
    return bool(cycle.more_body)


def is_being_answered(cycle: RequestResponseCycle) -> bool:
    """Whether its response has begun."""
    return bool(cycle.response_started)


def is_answered(cycle: RequestResponseCycle) -> bool:
    """Whether its response is complete."""
    return bool(cycle.response_complete)


def version(cycle: RequestResponseCycle) -> str:
    """Its HTTP version: "1.0" or "1.1"."""
    return str(cycle.scope["http_version"])


def close_after(cycle: RequestResponseCycle) -> None:
    """Take no other request on its connection."""
    cycle.keep_alive = False


def status_line(status: int) -> bytes:
    """The first line of a response, with its end."""
    line: bytes = STATUS_LINE[status]
    return line
