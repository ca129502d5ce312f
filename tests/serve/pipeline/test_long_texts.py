"""Long texts have a process each, which ends with them, with their client or with the server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.serve.clients import Client, gauge
from tests.serve.protocols.test_vtag import TEXTS
from tests.serve.servers import Server, children, serving
from vtag.serve.limits import GRACE_SECONDS, LONG_PROCESSES
from vtag.serve.pipeline.long_texts import NICE, ShortestFirstLimit

TAG = "/v1/tag"
LONG = "\n".join(TEXTS * 20)[:300_000]


def processes(server: Server) -> set[int]:
    """Those of texts."""
    return children(server.forks)


def wait_for(happened: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_long_text_has_a_process_and_a_short_one_has_none(server: Server) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.post, TAG, {"input": LONG[:100_000]})
        wait_for(lambda: [os.getpriority(os.PRIO_PROCESS, pid) for pid in processes(server)] == [NICE])
        assert asked.result().status_code == 200
    wait_for(lambda: not processes(server))
    assert server.post(TAG, {"input": TEXTS[0]}).status_code == 200
    assert not processes(server)


def test_it_ends_with_its_client_and_the_next_text_has_its_place(server: Server) -> None:
    async def hang_up() -> None:
        clients = [await Client.of(server) for _ in range(LONG_PROCESSES + 4)]
        for client in clients:
            client.send(TAG, {"input": LONG})
        await asyncio.sleep(2)
        assert 0 < len(processes(server)) <= LONG_PROCESSES
        for client in clients:
            client.hang_up()

    asyncio.run(hang_up())
    wait_for(lambda: not processes(server) and not gauge(server, "vtag_requests_under_way"))
    assert server.post(TAG, {"input": LONG[:30_000]}).status_code == 200


def test_where_its_process_dies_it_is_one_error_and_the_server_goes_on(server: Server) -> None:
    wait_for(lambda: not processes(server))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.post, TAG, {"input": LONG[:60_000]})
        wait_for(lambda: processes(server))
        os.kill(min(processes(server)), signal.SIGKILL)
        answer = asked.result()
    assert (answer.status_code, answer.json()["error_type"]) == (503, "text_died")
    assert server.post(TAG, {"input": LONG[:30_000]}).status_code == 200


def test_a_mistake_in_it_is_the_one_of_any_text(server: Server) -> None:
    body = json.dumps({"input": LONG[:30_000] + "\ud83d"})
    answer = httpx.post(server.url + TAG, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error_type"]) == (422, "lone_surrogate")


def test_the_shortest_goes_first_and_who_is_gone_leaves_no_place_behind() -> None:
    done: list[int] = []

    async def goes(turns: ShortestFirstLimit, size: int) -> None:
        async with turns.slot(size):
            done.append(size)
            await asyncio.sleep(0.01)

    async def all_at_once() -> None:
        turns = ShortestFirstLimit(2)
        sizes = np.random.default_rng(0).permutation(20).tolist()
        tasks = [asyncio.create_task(goes(turns, size)) for size in sizes]
        await asyncio.sleep(0)
        tasks[5].cancel()
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert done[2:] == sorted(set(sizes[2:]) - {sizes[5]})
        async with turns.slot(1), turns.slot(2):  # both places are free
            pass

    asyncio.run(asyncio.wait_for(all_at_once(), 10))


@pytest.mark.long
def test_the_server_ends_in_time_with_long_texts_under_way(tmp_path: Path) -> None:
    """Those that are not done have an error of the table for an answer."""
    with serving("demo", tmp_path / "log") as server, ThreadPoolExecutor(8) as pool:
        texts = ["🇩🇪" * 400_000, "a. " * 300_000, "北京" * 400_000, LONG * 3]
        asked = [pool.submit(server.post, TAG, {"input": text}) for text in texts * 2]
        wait_for(lambda: processes(server))
        time.sleep(2)
        server.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert server.process.wait(GRACE_SECONDS + 10) == 0
        assert time.monotonic() - begun < GRACE_SECONDS + 5
        answers = [request.result() for request in asked]
        assert {answer.status_code for answer in answers} <= {200, 503}
        late = [answer.json()["error_type"] for answer in answers if answer.status_code == 503]
        assert set(late) == {"ending"}
    assert "Traceback" not in (tmp_path / "log").read_text("utf-8")
