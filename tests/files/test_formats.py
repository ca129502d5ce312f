"""What is written is read again as it was, in every format; and an extension tells which."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.files.rows import TEXTS, decode, encode, rows_of, spans_of, tagged
from vtag.files import formats
from vtag.files.formats import FORMATS, by_extension, output
from vtag.files.records import Fields, Record

WRITTEN = [name for name, row in FORMATS.items() if row.writes]
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def value_in(record: Record, field: str) -> Any:
    value = record.fields[field]
    return json.loads(value) if isinstance(value, str) else value


def texts_for(name: str) -> list[str]:
    """Those that the format can hold."""
    writer = formats.writer(name)(Fields())
    return [text for text in TEXTS if writer.refuses(Record(1, {"text": text})) is None]


@pytest.mark.parametrize("fields", [Fields(), Fields(coverage="read")], ids=["spans", "spans and coverage"])
@pytest.mark.parametrize("name", WRITTEN)
def test_text_and_spans_are_equal_after_write_and_read(name: str, fields: Fields, tmp_path: Path) -> None:
    texts = texts_for(name)
    rows = rows_of(texts)
    found = decode(name, encode(name, [rows[:7], rows[7:]], tmp_path, fields))
    assert [record.fields["text"] for record in found if isinstance(record, Record)] == texts
    for (wanted, spans, coverage, _), record in zip(rows, found, strict=True):
        assert isinstance(record, Record)
        assert list(record.fields) == [*wanted.fields, *fields.written]
        assert {key: record.fields[key] for key in wanted.fields} == wanted.fields
        assert value_in(record, "spans") == [span.to_dict() for span in spans]
        if fields.coverage:
            assert value_in(record, "read") == coverage.to_dict() == {"tokens": 7, "windows": 1, "complete": True}


def test_the_fields_that_are_added_replace_fields_of_their_names(tmp_path: Path) -> None:
    fields = Fields(coverage="read", overwrite=True)
    rows = [tagged(Record(i, {"read": "old", "text": "a", "spans": "old", "id": "1"})) for i in (1, 2)]
    for name in WRITTEN:
        (one, other) = decode(name, encode(name, [rows[:1], rows[1:]], tmp_path, fields))
        assert isinstance(one, Record)
        assert list(one.fields) == ["text", "id", "spans", "read"]
        assert "old" not in str(dict(one.fields))
        assert isinstance(other, Record)


@pytest.mark.parametrize("name", ["jsonl", "csv", "tsv"])
@given(texts=st.lists(ANY_TEXT, max_size=5), key=ANY_TEXT)
def test_any_text_is_equal_after_write_and_read(name: str, texts: list[str], key: str) -> None:
    rows: list[Any] = [tagged(Record(i, {"text": text, key: text}), spans_of(text)) for i, text in enumerate(texts)]
    writer = formats.writer(name)(Fields())
    rows = [row for row in rows if writer.refuses(row.record) is None]
    texts = [record.fields["text"] for record, *_ in rows]
    found = decode(name, encode(name, [rows], Path()))
    assert [record.fields["text"] for record in found if isinstance(record, Record)] == texts
    assert [record.fields[key] for record in found if isinstance(record, Record)] == (texts if key != "spans" else [])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("after", [0, 1, 6, len(TEXTS)])
def test_reading_goes_on_after_any_record(name: str, after: int, tmp_path: Path) -> None:
    texts = texts_for(name) if FORMATS[name].writes else TEXTS
    if FORMATS[name].writes:
        data = encode(name, [rows_of(texts[:3]), rows_of(texts[3:])], tmp_path)
    else:
        lines = {"text": "line\n", "conll": "word O\n\n", "conllu": "1\tword" + 8 * "\t_" + "\n\n"}
        lines["json"] = json.dumps([{"text": text} for text in TEXTS], indent=1)
        data = (lines[name] * (1 if name == "json" else len(TEXTS))).encode()
    whole, rest = decode(name, data), decode(name, data, after)
    assert [item.number for item in rest] == list(range(after + 1, len(texts) + 1))
    assert [dict(item.fields) for item in rest if isinstance(item, Record)] == [
        dict(item.fields) for item in whole[after:] if isinstance(item, Record)
    ]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.jsonl", "jsonl"),
        ("A.NDJSON.GZ", "jsonl"),
        ("a.b.csv.zst", "csv"),
        ("a.tsv", "tsv"),
        ("a.txt.gz", "text"),
        ("a.parquet", "parquet"),
        ("a.parquet.gz", None),
        ("a.gz", None),
        ("jsonl", None),
        ("a.json", "json"),
        ("a.conll", "conll"),
        ("a.bio.gz", "conll"),
        ("a.conllu", "conllu"),
    ],
)
def test_the_extension_tells_the_format(file: str, name: str | None) -> None:
    assert by_extension(file) == name


def test_what_cannot_be_written_is_no_output() -> None:
    for name in ("a.txt", "a", "a.docx"):
        with pytest.raises(ValueError, match=r"use one of \.jsonl, \.csv, \.tsv, \.parquet$"):
            output(name)
