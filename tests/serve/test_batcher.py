"""Many requests share the engine, and each gets what it would get alone, in its turn."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.serve.servers import Server
from tests.serve.test_routes import TEXTS, assert_equal
from vtag.serve.batcher import Job, next_turn
from vtag.types import Window

if TYPE_CHECKING:
    from vtag import LLM

ROOM = 100


def job(sizes: list[int]) -> Job:
    windows = [Window(np.zeros(size, np.int32), 0, 0, size) for size in sizes]
    return Job(windows, asyncio.Future(loop=LOOP))


LOOP = asyncio.new_event_loop()


@given(st.lists(st.lists(st.integers(1, 150), min_size=1, max_size=12), max_size=12), st.integers(1, 8))
def test_every_window_has_one_turn_in_order_and_turns_hold_what_they_may(sizes: list[list[int]], most: int) -> None:
    jobs = [job(row) for row in sizes]
    line = deque(jobs)
    had = [0] * len(jobs)
    while turn := next_turn(line, ROOM, most):
        taken = [len(one.windows[at].ids) for one, count in turn for at in range(one.taken - count, one.taken)]
        assert len(taken) <= most
        assert sum(taken) <= ROOM or len(taken) == 1
        for one, count in turn:
            had[jobs.index(one)] += count
            assert one.taken == had[jobs.index(one)]
    assert had == [len(row) for row in sizes]
    assert not line


@given(st.lists(st.integers(1, 150), min_size=1, max_size=12))
def test_nobody_waits_for_more_turns_than_there_are_jobs_before(sizes: list[int]) -> None:
    last = job([1])
    line = deque([*(job([size] * 50) for size in sizes), last])
    for _ in range(len(sizes) + 1):
        next_turn(line, ROOM, 8)
    assert last.taken == 1


def test_who_is_gone_has_no_turn() -> None:
    jobs = [job([10, 10]), job([10])]
    jobs[0].done.cancel()
    assert next_turn(deque(jobs), ROOM, 8) == [(jobs[1], 1)]


def test_many_clients_at_once_get_what_each_would_get_alone(server: Server, llm: LLM) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda text: server.post("/v1/tag", {"input": text}).json(), TEXTS))
    assert_equal([answer["results"][0] for answer in answers], [[s.to_dict() for s in row] for row in llm.tag(TEXTS)])


def test_a_short_text_overtakes_a_long_document(server: Server) -> None:
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(server.post, "/v1/tag", {"input": "\n".join(TEXTS * 5)[:60_000]})
        time.sleep(0.3)
        assert server.post("/v1/tag", {"input": TEXTS[0]}).status_code == 200
        assert not long.done()
        assert long.result().status_code == 200
