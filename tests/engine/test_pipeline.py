"""What runs beside what, and in which order answers come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from vtag import LLM
from vtag.engine.pipeline import TextBatch, batches_of
from vtag.errors import InputError
from vtag.system import device
from vtag.text.batching import BATCH_TEXTS

CHUNKS = [[f"Text {i} of chunk {chunk} is by Ann Smith." for i in range(60)] for chunk in range(5)]


@pytest.fixture
def seen(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[float, float]]]:
    """When each stage began and ended."""
    times: dict[str, list[tuple[float, float]]] = {"prepare": [], "run": [], "finish": []}

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                times[stage].append((begun, time.perf_counter()))

        return call

    monkeypatch.setattr(llm.tagger, "prepare", timed("prepare", llm.tagger.prepare))
    monkeypatch.setattr(llm.tagger, "finish", timed("finish", llm.tagger.finish))
    monkeypatch.setattr(llm._runner, "_run_step", timed("run", llm._runner._run_step))
    return times


def test_where_cores_are_few_nothing_is_done_beside_the_engine(
    llm: LLM, seen: dict[str, list[tuple[float, float]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "few_cores", lambda: True)
    answers = list(llm.tag_chunks(CHUNKS))
    assert {stage: len(times) for stage, times in seen.items()} == dict.fromkeys(seen, len(CHUNKS))
    for begun, ended in seen["prepare"] + seen["finish"][:-1]:
        assert all(ended <= first or begun >= last for first, last in seen["run"])
    monkeypatch.setattr(device, "few_cores", lambda: False)
    assert list(llm.tag_chunks(CHUNKS)) == answers


def test_bad_texts_cost_their_neighbours_nothing(llm: LLM, seen: dict[str, list[tuple[float, float]]]) -> None:
    bad: list[Any] = [*CHUNKS[0][:20], "\ud800", *CHUNKS[0][20:40], None, *CHUNKS[0][40:]]
    ((answers, tokens),) = llm.tag_chunks([bad])
    ((wanted, alone),) = llm.tag_chunks([CHUNKS[0]])
    assert [answer for answer in answers if not isinstance(answer, InputError)] == wanted
    assert tokens == alone
    assert {stage: len(times) for stage, times in seen.items()} == dict.fromkeys(seen, 2)


def test_one_chunk_is_read_ahead_and_none_after_it(llm: LLM) -> None:
    read: list[int] = []
    stream = llm.tag_chunks(read.append(i) or chunk for i, chunk in enumerate(CHUNKS))  # type: ignore[func-returns-value]
    assert [(next(stream)[1] > 0, len(read)) for _ in CHUNKS] == [(True, min(i + 2, 5)) for i in range(5)]


def test_a_chunk_has_at_least_one_block_and_is_last_in_its_last_one() -> None:
    texts = ["x"] * (BATCH_TEXTS + 1)
    found = list(batches_of([texts, [], ["y"]]))
    assert found == [
        TextBatch(texts[:-1], 0, last=False),
        TextBatch(texts[-1:], BATCH_TEXTS),
        TextBatch([]),
        TextBatch(["y"]),
    ]
