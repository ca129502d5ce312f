"""More than a server can do, for long: all are answered, rightly, and it is as before afterwards."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.serve.clients import Client, connections, gauge, memory
from tests.serve.protocols.test_vtag import TEXTS, assert_equal
from tests.serve.servers import Server, serving
from tests.serve.test_load import TAG, percentile, settled
from vtag.serve.limits import BODY_SECONDS, HEAD_SECONDS

if TYPE_CHECKING:
    from vtag import LLM

pytestmark = pytest.mark.long
CLIENTS, SECONDS, PLACES = 1000, 30, 600


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with fewer places than clients."""
    log = tmp_path_factory.mktemp("overload") / "log"
    with serving("demo", log, "--dtype", "float32", "--max-requests", str(PLACES)) as server:
        yield server


async def alone(server: Server, count: int = 50) -> float:
    """Seconds that a single text takes, at the 95th percentile."""
    client = await Client.of(server)
    took: list[float] = []
    for text in TEXTS[:count]:
        start = time.perf_counter()
        assert (await client.post(TAG, {"input": text})).status == 200
        took.append(time.perf_counter() - start)
    client.hang_up()
    return percentile(took, 0.95)


@pytest.mark.alone
def test_a_thousand_clients_are_all_answered_and_rightly(small: Server, llm: LLM) -> None:
    wanted = [[span.to_dict() for span in row] for row in llm.tag(TEXTS)]
    statuses: Counter[int] = Counter()
    reasons: Counter[str] = Counter()
    retry: set[int] = set()

    async def asks(at: int, end: float) -> None:
        client = await Client.of(small)
        headers = {"X-Request-Timeout": "0.5"} if at % 10 == 0 else None
        while time.monotonic() < end:
            at = (at + 7) % len(TEXTS)
            answer = await client.post(TAG, {"input": TEXTS[at]}, headers)
            statuses[answer.status] += 1
            if answer.status == 200:
                assert_equal(answer.json()["results"], [wanted[at]])
                continue
            reasons[answer.json()["error_type"]] += 1
            if answer.status == 429:
                retry.add(int(answer.headers["retry-after"]))
                await asyncio.sleep(1)
        client.hang_up()

    async def all_ask(seconds: float) -> None:
        end = time.monotonic() + seconds
        await asyncio.gather(*(asks(at, end) for at in range(CLIENTS)))

    before = asyncio.run(alone(small))
    files = connections(small)
    asyncio.run(all_ask(5))  # what is allocated once
    settled(small, files)
    held = memory(small)
    asyncio.run(all_ask(SECONDS))
    after = asyncio.run(alone(small))
    assert set(statuses) == {200, 429, 503}
    assert set(reasons) == {"overloaded", "too_late"}
    assert statuses[200] > 2000
    assert all(1 <= seconds <= 60 for seconds in retry)
    settled(small, files, 5)
    assert memory(small) < held + (64 << 20)
    assert after < 3 * before + 0.05


@pytest.mark.alone
def test_a_thousand_clients_that_hang_up_in_the_middle_leave_nothing_behind(small: Server) -> None:
    async def hang_up() -> None:
        clients = [await Client.of(small) for _ in range(CLIENTS)]
        for at, client in enumerate(clients):  # with half a body, with work under way, with an answer that is not read
            client.send(TAG, {"input": TEXTS[:8] if at % 3 else TEXTS * 4}, cut=100 if at % 3 == 1 else 0)
        await asyncio.sleep(1)
        for client in clients:
            client.hang_up()
        await asyncio.sleep(0.1)

    files = connections(small)
    asyncio.run(hang_up())  # what is allocated once
    settled(small, files)
    held, texts = memory(small), gauge(small, "vtag_texts_total")
    for _ in range(3):
        asyncio.run(hang_up())
        settled(small, files)
    assert memory(small) < held + (64 << 20)
    assert gauge(small, "vtag_texts_total") - texts < 3 * CLIENTS * len(TEXTS) / 10
    assert asyncio.run(alone(small)) < 1


def test_clients_that_send_nothing_more_lose_their_connection_alone(small: Server) -> None:
    files = connections(small)

    async def slow() -> None:
        silent, heads, bodies, refused = [[await Client.of(small) for _ in range(25)] for _ in range(4)]
        start = time.monotonic()
        for client in heads:
            client.writer.write(b"POST /v1/tag HTTP/1.1\r\nHost: ")
        for client in bodies:
            client.send(TAG, {"input": TEXTS}, cut=5)
        for client in refused:  # answered before its body is there
            client.send(TAG, {"input": "x" * (1 << 24)}, cut=1 << 24)
            assert (await client.answer()).status == 413
        assert await alone(small) < 1
        for client in [*silent, *heads, *refused]:
            assert await client.reader.read() == b""
        assert time.monotonic() - start < HEAD_SECONDS + 10
        for client in bodies:
            answer = await client.answer()
            assert (answer.status, answer.json()["error_type"]) == (408, "slow_body")
            assert await client.reader.read() == b""
        assert time.monotonic() - start < BODY_SECONDS + 20
        for client in [*silent, *heads, *bodies, *refused]:
            client.hang_up()
        await asyncio.sleep(0.1)

    asyncio.run(slow())
    settled(small, files)
    assert gauge(small, "vtag_requests_under_way") == 0
