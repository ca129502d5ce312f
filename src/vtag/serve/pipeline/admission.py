"""Admission control: limits requests and buffered bytes in flight; estimates Retry-After."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vtag.errors import error
from vtag.serve import metrics
from vtag.serve.limits import BODIES, LONG_REQUESTS, STREAMS, Limits

SHORT_TOKENS = 2048
# The rate of responses is measured over so many.
ANSWERS = 256
LONGEST_RETRY = 60


class ReceivedBody:
    """The bytes of a request's body, counted as they arrive."""

    def __init__(self, queue: Admission, most: int | None) -> None:
        self._queue = queue
        self.limit = queue.limits.body_bytes
        self._kind = "body_too_large"
        if most is not None and most < self.limit:
            self.limit, self._kind = most, "vllm_body_too_large"
        self.size = 0

    def check(self, size: int) -> None:
        """Raise InputError for a body of more than `limit` bytes."""
        if size > self.limit:
            raise error(self._kind, limit=self.limit)

    def take(self, size: int) -> None:
        """Count more bytes; raises InputError if the body is too large, EngineError if all bodies together are."""
        self.size += size
        self._queue.bytes += size
        self.check(self.size)
        if self._queue.bytes > BODIES * self._queue.limits.body_bytes:
            raise error("bodies_overloaded")


class Admission:
    """Counters of pending requests, bytes and tokens."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = 0
        self.bytes = 0
        self.tokens = 0
        self.streams = 0
        self._answered: deque[float] = deque(maxlen=ANSWERS)

    @contextmanager
    def body(self, most: int | None = None) -> Iterator[ReceivedBody]:
        """Context of a request, from its first byte on; refuses it unread at the limit.

        most: limit in bytes, on vLLM's routes.
        """
        self._check()
        body = ReceivedBody(self, most)
        try:
            yield body
        finally:
            self.bytes -= body.size

    @contextmanager
    def place(self) -> Iterator[None]:
        """Context of the work for a request; raises EngineError at the limit."""
        self._check()
        self.requests += 1
        metrics.UNDER_WAY.set(self.requests)
        try:
            yield
            self._answered.append(time.monotonic())
        finally:
            self.requests -= 1
            metrics.UNDER_WAY.set(self.requests)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Context of a stream; raises EngineError at the limit."""
        if self.streams >= STREAMS:
            raise error("streams_overloaded", limit=STREAMS)
        self.streams += 1
        try:
            with self.place():
                yield
        finally:
            self.streams -= 1

    @contextmanager
    def windows(self, most: int) -> Iterator[Callable[[int], None]]:
        """Context of the work on windows; the function that it yields counts tokens, and raises EngineError for too
        many.

        most: limit of one request's tokens. Short requests are always admitted.
        """
        held = 0

        def take(tokens: int) -> None:
            nonlocal held
            if tokens > SHORT_TOKENS:
                if self.tokens and self.tokens + tokens > LONG_REQUESTS * most:
                    raise error("tokens_overloaded", limit=LONG_REQUESTS * most)
                held += tokens
                self.tokens += tokens

        try:
            yield take
        finally:
            self.tokens -= held

    def _check(self) -> None:
        if self.requests >= self.limits.requests:
            raise error("overloaded", limit=self.limits.requests)

    def retry_after(self) -> int:
        """Seconds until all pending requests are answered, at the rate of the last responses."""
        if len(self._answered) < 2:
            return 1
        rate = len(self._answered) / max(time.monotonic() - self._answered[0], 1e-3)
        return min(max(math.ceil(self.requests / rate), 1), LONGEST_RETRY)
