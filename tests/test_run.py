"""`tag_files`: every record answered or in the errors file, once, however often the run is stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vtag import LLM, tag_files
from vtag.errors import VtagError
from vtag.files import chunks
from vtag.files.journal import State

GOLD = Path(__file__).parent / "data" / "pii_synth_gold.jsonl"
TEXTS = [json.loads(line)["text"] for line in GOLD.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def llm() -> Iterator[LLM]:
    with LLM("demo") as made:
        yield made


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many chunks out of few records."""
    monkeypatch.setattr(chunks, "RECORDS", 64)


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write(tmp_path / "in.jsonl", [{"id": i, "text": text} for i, text in enumerate(TEXTS)])


def stop_after(count: int) -> Callable[[State, float | None], None]:
    """Ends the run, as Ctrl-C does, when so many chunks are safe."""
    calls = 0

    def watch(state: State, share: float | None) -> None:
        nonlocal calls
        calls += 1
        if calls > count:
            raise KeyboardInterrupt

    return watch


def test_its_spans_are_those_of_tag_on_the_same_chunk(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    state = tag_files(llm, corpus, tmp_path / "out.jsonl")
    assert (state.records, state.failures, state.done) == (len(TEXTS), 0, True)
    rows = read(tmp_path / "out.jsonl")
    for first in range(0, len(TEXTS), 64):
        found = llm.tag(TEXTS[first : first + 64], use_tqdm=False)
        assert [row["spans"] for row in rows[first : first + 64]] == [[s.to_dict() for s in spans] for spans in found]
    assert sum(state.labels.values()) == sum(len(row["spans"]) for row in rows) > 1000


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.csv", "out.parquet"])
def test_stopped_after_every_chunk_it_gives_the_same_bytes(llm: LLM, corpus: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "whole").mkdir()
    whole = tag_files(llm, corpus, tmp_path / "whole" / name)
    lives = 0
    while True:
        try:
            state = tag_files(llm, corpus, tmp_path / name, watch=stop_after(1 + lives % 2))
            break
        except KeyboardInterrupt:
            lives += 1
    assert lives > 3
    assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert (state.records, state.labels, state.tokens) == (whole.records, whole.labels, whole.tokens)


def test_bad_records_are_counted_and_named_and_the_others_tagged(llm: LLM, tmp_path: Path) -> None:
    lines = [b'{"text": "I am Ann Smith."}', b"{", b"[]", b'{"id": 1}', b'{"text": 5}', b'{"text": "\xff"}', b""]
    lines += [rb'{"text": "\ud800"}', rb'{"text": "I am Bob Jones.", "odd": "\ud800"}']
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    state = tag_files(llm, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert (state.records, state.failures) == (8, 6)
    assert [row["spans"][0]["text"] for row in read(tmp_path / "out.jsonl")] == ["Ann", "Bob"]
    errors = read(tmp_path / "out.jsonl.errors.jsonl")
    assert [error["record"] for error in errors] == [2, 3, 4, 5, 6, 8]
    assert {error["file"] for error in errors} == {str(tmp_path / "in.jsonl")}
    with pytest.raises(VtagError, match=r"in.jsonl: record 2: not JSON: mend it") as caught:
        tag_files(llm, tmp_path / "in.jsonl", tmp_path / "strict.jsonl", strict=True)
    assert caught.value.exit_code == 4
