"""What waits is bounded, and who is refused is told when to come again."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from vtag.errors import VtagError
from vtag.serve.limits import BODIES, Limits
from vtag.serve.pipeline.admission import LONGEST_RETRY, Admission


def test_places_are_given_back_and_no_more_than_there_are() -> None:
    queue = Admission(Limits(requests=3))
    for _ in range(2):
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(queue.place())
            for refused in (queue.place(), queue.body()):
                with pytest.raises(VtagError) as raised, refused:
                    pass
                assert (raised.value.kind, raised.value.status) == ("overloaded", 429)
        assert queue.requests == 0


def test_bodies_are_bounded_each_and_all_together() -> None:
    queue = Admission(Limits(body_bytes=100))
    with queue.body() as body:
        body.take(60)
        with pytest.raises(VtagError) as raised:
            body.take(41)
        assert raised.value.kind == "body_too_large"
    assert queue.bytes == 0
    with ExitStack() as stack:
        for _ in range(BODIES):
            stack.enter_context(queue.body()).take(100)
        with pytest.raises(VtagError) as raised, queue.body() as body:
            body.take(1)
        assert (raised.value.kind, raised.value.status) == ("bodies_overloaded", 429)
        assert queue.bytes == BODIES * 100
    assert queue.bytes == 0


def test_who_is_refused_comes_again_when_what_waits_is_through(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    queue = Admission(Limits())
    assert queue.retry_after() == 1
    for _ in range(50):  # 10 a second
        with queue.place():
            now += 0.1
    with ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(queue.place())
        assert queue.retry_after() == pytest.approx(8, abs=1)
        now += 1000
        assert queue.retry_after() == LONGEST_RETRY
