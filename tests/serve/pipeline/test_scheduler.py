"""Many requests share the engine, and each gets what it would get alone, in its turn."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.serve.protocols.test_vtag import TEXTS, assert_equal
from tests.serve.servers import Server
from vtag.serve.pipeline.scheduler import FairQueue, Job
from vtag.types import Window

if TYPE_CHECKING:
    from vtag import LLM

ROOM = 100


LOOP = asyncio.new_event_loop()
SIZES = st.lists(st.integers(1, 150), min_size=1, max_size=12)


def job(client: str, sizes: list[int]) -> Job:
    windows = [Window(np.zeros(size, np.int32), 0, 0, size) for size in sizes]
    return Job(client, windows, asyncio.Future(loop=LOOP))


def lined(jobs: list[Job]) -> FairQueue:
    queue = FairQueue()
    for one in jobs:
        queue.add(one)
    return queue


@given(st.lists(st.tuples(st.sampled_from("abcd"), SIZES), max_size=12), st.integers(1, 8))
def test_every_window_has_one_turn_in_order_and_turns_hold_what_they_may(
    asked: list[tuple[str, list[int]]], most: int
) -> None:
    jobs = [job(client, sizes) for client, sizes in asked]
    queue = lined(jobs)
    had = [0] * len(jobs)
    while step := queue.take(ROOM, most):
        taken = [len(one.windows[at].ids) for one, count in step for at in range(one.taken - count, one.taken)]
        assert len(taken) <= most
        assert sum(taken) <= ROOM or len(taken) == 1
        for one, count in step:
            had[jobs.index(one)] += count
            assert one.taken == had[jobs.index(one)]
    assert had == [len(sizes) for _, sizes in asked]


@given(st.lists(st.tuples(st.integers(0, 5), SIZES), max_size=12))
def test_nobody_waits_for_more_windows_than_there_are_clients_before(asked: list[tuple[int, list[int]]]) -> None:
    last = job("last", [1])
    queue = lined([*(job(f"client {client}", sizes * 20) for client, sizes in asked), last])
    windows = 0
    while not last.taken:
        windows += sum(count for _, count in queue.take(ROOM, 3))
    assert windows <= len({client for client, _ in asked}) + 3


def test_the_jobs_of_one_client_take_turns() -> None:
    long, short = job("a", [10] * 50), job("a", [10])
    queue = lined([long, short])
    assert dict(queue.take(50, 8)) == {long: 4, short: 1}


def test_who_is_gone_has_no_turn() -> None:
    jobs = [job("a", [10, 10]), job("b", [10])]
    jobs[0].done.cancel()
    assert lined(jobs).take(ROOM, 8) == [(jobs[1], 1)]


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
