"""What waits for a stage goes through it together, and each gets its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from vtag.serve.pipeline.coalescer import Coalescer


class Doubles:
    """A slow function that remembers what it was called with."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.calls.append(list(items))
        time.sleep(0.05)
        return [ValueError(item) if item < 0 else 2 * item for item in items]


def test_what_waits_goes_together_and_each_gets_its_own() -> None:
    doubles = Doubles()

    async def all_at_once() -> list[int | BaseException]:
        stage = Coalescer(doubles, ThreadPoolExecutor(1), most=10, size=lambda item: 4 if item == 3 else 1)
        first = asyncio.create_task(stage(0))
        await asyncio.sleep(0.02)
        assert stage.busy
        found = await asyncio.gather(
            first, *(stage(item) for item in [1, 2, 3, -4, *range(5, 12)]), return_exceptions=True
        )
        await asyncio.sleep(0)
        assert not stage.busy
        return found

    found = asyncio.run(all_at_once())
    assert isinstance(found.pop(4), ValueError)
    assert found == [0, 2, 4, 6, *range(10, 24, 2)]
    assert doubles.calls == [[0], [1, 2, 3, -4, 5, 6, 7], [8, 9, 10, 11]]


def test_who_is_not_waited_for_is_left_out() -> None:
    doubles = Doubles()

    async def one_gives_up() -> None:
        stage = Coalescer(doubles, ThreadPoolExecutor(1))
        tasks = [asyncio.create_task(stage(item)) for item in range(3)]
        await asyncio.sleep(0.02)
        late = [asyncio.create_task(stage(item)) for item in (7, 8)]
        await asyncio.sleep(0)
        late[0].cancel()
        assert await asyncio.gather(*tasks) == [0, 2, 4]
        assert await late[1] == 16

    asyncio.run(one_gives_up())
    assert doubles.calls == [[0, 1, 2], [8]]


def test_what_fails_as_a_whole_fails_for_each() -> None:
    def fails(items: Sequence[int]) -> list[int | Exception]:
        raise KeyError(len(items))

    async def asked() -> None:
        stage = Coalescer(fails, ThreadPoolExecutor(1))
        for failed in await asyncio.gather(stage(1), stage(2), return_exceptions=True):
            assert isinstance(failed, KeyError)
        with pytest.raises(KeyError):
            await stage(3)

    asyncio.run(asked())
