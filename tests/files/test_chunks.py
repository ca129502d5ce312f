"""Chunks end after so many records, or so much text, whatever was read before; and no record is lost or doubled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vtag.files import chunks
from vtag.files.chunks import Chunk, Fields
from vtag.files.inputs import find
from vtag.files.records import Bad, Record


def read(paths: list[Path], file: int = 0, record: int = 0) -> list[Chunk]:
    return list(chunks.read(find([str(path) for path in paths]), file, record, Fields()))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files, of 10 and of 7 records, with blank lines; every fourth is none that can be tagged."""
    made = []
    for name, count in (("a", 10), ("b", 7)):
        path = tmp_path / f"{name}.jsonl"
        lines = ["[]" if i % 4 == 3 else json.dumps({"text": f"{name}{i}"}) for i in range(count)]
        path.write_text("\n\n".join(lines), "utf-8")
        made.append(path)
    return made


def numbers(chunk: Chunk) -> list[tuple[int, int]]:
    both: list[tuple[int, Record | Bad]] = [*chunk.records, *chunk.bad]
    return sorted((file, item.number) for file, item in both)


def test_every_record_is_in_one_chunk_of_so_many(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "RECORDS", 6)
    found = read(files)
    assert [len(numbers(chunk)) for chunk in found] == [6, 6, 5]
    assert [number for chunk in found for number in numbers(chunk)] == [(0, i) for i in range(1, 20, 2)] + [
        (1, i) for i in range(1, 14, 2)
    ]
    assert [(chunk.file, chunk.record) for chunk in found] == [numbers(chunk)[-1] for chunk in found]
    shares = [chunk.share or 0 for chunk in found]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_after_any_chunk_the_same_ones_follow(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for count in (1, 2, 3, 5, 10, 11):
        monkeypatch.setattr(chunks, "RECORDS", count)
        found = read(files)
        for i, chunk in enumerate(found):
            assert list(map(numbers, read(files, chunk.file, chunk.record))) == list(map(numbers, found[i + 1 :]))


def test_much_text_or_much_else_ends_a_chunk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "SIZE", 100)
    monkeypatch.setattr(chunks, "BULK", 1000)
    path = tmp_path / "in.jsonl"
    rows = [{"text": "a" * 60}] * 3 + [{"text": "", "rest": "b" * 600}] * 3
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert [len(chunk.records) for chunk in read([path])] == [2, 3, 1]
