"""When to stop working on a request: at its deadline, or when its client is gone."""

from __future__ import annotations

import asyncio
import math

from fastapi import Request
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Message

from vtag.errors import error

# Seconds that a client is willing to wait, an optional header.
DEADLINE = "X-Request-Timeout"


class RequestLifetime:
    """Cancels the request's task at its deadline or when the client disconnects. Created in that task."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self._loop)
        self._watch: asyncio.Task[Message] | None = None
        self._reason: Exception | None = None
        self._timers: list[asyncio.TimerHandle] = []
        if (seconds := _deadline(request.headers)) is not None:
            self.cancel_after(seconds, error("too_late", header=DEADLINE))

    def cancel_after(self, seconds: float, why: Exception) -> asyncio.TimerHandle:
        """Cancel the task after so many seconds, unless the returned timer is cancelled."""
        self._timers.append(self._loop.call_later(seconds, self.cancel, why))
        return self._timers[-1]

    def watch(self) -> None:
        """Watch for a disconnect, once the body has arrived: it is the next message."""
        self._watch = self._loop.create_task(_message(self.request))
        self._watch.add_done_callback(self._gone)

    def exception(self) -> BaseException:
        """The exception for a cancelled task: this object's reason, or CancelledError if others cancelled it, as when
        the server ends.
        """
        if self._reason is None or self._task is None or self._task.uncancel():
            return asyncio.CancelledError()
        return self._reason

    def close(self) -> None:
        """Stop all timers and the watch."""
        for timer in self._timers:
            timer.cancel()
        if self._watch is not None:
            self._watch.remove_done_callback(self._gone)
            self._watch.cancel()

    def _gone(self, _: asyncio.Task[Message]) -> None:
        self.cancel(ClientDisconnect())

    def cancel(self, why: Exception) -> None:
        """Cancel the task for this reason."""
        if self._reason is None and self._task is not None:
            self._reason = why
            self._task.cancel()


def _deadline(headers: Headers) -> float | None:
    """The deadline in seconds, if the client sends one."""
    header = headers.get(DEADLINE)
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        seconds = -1
    if not 0 < seconds < math.inf:
        raise error("bad_deadline", header=DEADLINE)
    return seconds


async def _message(request: Request) -> Message:
    return await request.receive()
