"""Parquet: columns that are not ours keep their types, and records of any shape find room in a column."""

from __future__ import annotations

import io
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.files.rows import decode, encode, spans_of, tagged
from vtag.errors import InputError
from vtag.files import formats, parquet
from vtag.files.records import Fields, Record, TaggedRecord
from vtag.types import Span


def table_of(chunks: list[list[dict[str, Any]]], folder: Path) -> pa.Table:
    """What becomes of records that are none of Parquet's, without spans."""
    rows: list[list[TaggedRecord]] = [[tagged(Record(1, fields)) for fields in chunk] for chunk in chunks]
    return pq.read_table(io.BytesIO(encode("parquet", rows, folder)))


def test_columns_of_a_parquet_file_keep_their_types(tmp_path: Path) -> None:
    given = pa.table(
        {
            "text": pa.array(["a", "b", "c"], pa.large_string()),
            "when": pa.array([1, None, 1_700_000_000_123_456_789], pa.timestamp("ns", "UTC")),
            "price": pa.array([Decimal("1.10"), None, Decimal("0.01")]),
            "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
            "vector": pa.array([[1.5], [], None], pa.list_(pa.float32())),
            "nested": pa.array([{"a": 1}, None, {"a": None}]),
            "raw": pa.array([b"\xff", b"", None]),
        }
    ).replace_schema_metadata({"made by": "somebody"})
    file = io.BytesIO()
    pq.write_table(given, file, row_group_size=2)
    records = decode("parquet", file.getvalue())
    rows = [tagged(record, spans_of(record.fields["text"])) for record in records if isinstance(record, Record)]
    chunks = [rows[:1], rows[1:]]
    found = pq.read_table(io.BytesIO(encode("parquet", chunks, tmp_path)))
    assert found.drop_columns(["spans"]).equals(given)
    assert found.schema.metadata[b"made by"] == b"somebody"
    assert found.column_names == [*given.column_names, "spans"]
    assert found.column("spans").to_pylist() == [[span.to_dict() for span in spans_of(text)] for text in "abc"]


def test_text_that_is_no_utf8_costs_its_own_record_alone() -> None:
    text = pa.Array.from_buffers(pa.string(), 2, pa.array([b"a", b"\xff"]).buffers())
    file = io.BytesIO()
    pq.write_table(pa.table({"text": text}), file)
    found = [record.fields["text"] for record in decode("parquet", file.getvalue()) if isinstance(record, Record)]
    assert found == ["a", b"\xff"]


def test_its_values_are_words_of_json_too(tmp_path: Path) -> None:
    given = pa.table(
        {
            "text": ["a"],
            "day": [date(2026, 1, 2)],
            "when": pa.array([1], pa.timestamp("ns")),
            "noon": [datetime(2026, 1, 2, 12)],
            "price": [Decimal("1.10")],
            "raw": [b"\xff"],
        }
    )
    file = io.BytesIO()
    pq.write_table(given, file)
    (record,) = decode("parquet", file.getvalue())
    assert isinstance(record, Record)
    row = json.loads(encode("jsonl", [[tagged(record)]], tmp_path))
    assert row["day"] == "2026-01-02"
    assert row["when"] == "1970-01-01T00:00:00.000000001"
    assert (row["noon"], row["price"], row["raw"]) == ("2026-01-02T12:00:00", "1.10", "/w==")


MIXED = [
    ([1, 2.5], [1.0, 2.5]),
    ([1, None], [1, None]),
    ([1, "a"], ["1", '"a"']),
    ([True, 1], ["true", "1"]),
    ([2**53 + 1, 0.5], [str(2**53 + 1), "0.5"]),
    ([2**70, 1], [str(2**70), "1"]),
    ([[1], [2.5]], [[1.0], [2.5]]),
    ([[1, "a"], []], ['[1, "a"]', "[]"]),
    ([{"a": 1}, {"b": "x"}], [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
    ([{"a": 1}, {"a": "x"}], ['{"a": 1}', '{"a": "x"}']),
    ([{"a": 1}, [1]], ['{"a": 1}', "[1]"]),
    ([{}, {}], ["{}", "{}"]),
    ([None, None], [None, None]),
    ([[], [1]], [[], [1]]),
    ([{"a": []}, {"a": ["x"]}], [{"a": []}, {"a": ["x"]}]),
    ([{"a": None}, {"a": {"b": 1}}], [{"a": None}, {"a": {"b": 1}}]),
    (["2026-01-02", "x"], ["2026-01-02", "x"]),
    (["a\ud800", "b"], [r'"a\ud800"', '"b"']),
]


@pytest.mark.parametrize(("values", "kept"), MIXED, ids=str)
@pytest.mark.parametrize("chunks", [1, 2])
def test_a_column_that_no_type_holds_is_json_wherever_the_chunks_begin(
    values: list[Any], kept: list[Any], chunks: int, tmp_path: Path
) -> None:
    rows = [{"text": "t", "x": value} for value in values]
    found = table_of([rows] if chunks == 1 else [rows[:1], rows[1:]], tmp_path)
    assert found.column("x").to_pylist() == kept


def test_fields_that_come_late_or_go_are_empty_elsewhere(tmp_path: Path) -> None:
    found = table_of([[{"text": "a", "x": 1}], [{"y": [True], "text": "b"}]], tmp_path)
    assert found.drop_columns(["spans"]).to_pylist() == [
        {"text": "a", "x": 1, "y": None},
        {"text": "b", "x": None, "y": [True]},
    ]


def test_spans_of_words_have_their_words(tmp_path: Path) -> None:
    spans = [Span(0, 3, "A", 0.1, "a b", words=(0, 2))]
    data = encode("parquet", [[tagged(Record(1, {"words": ["a", "b"]}), spans)]], tmp_path, Fields(words="words"))
    (record,) = decode("parquet", data)
    assert isinstance(record, Record)
    assert record.fields["spans"] == [span.to_dict() for span in spans]


STORED = [
    pa.array(["a", "b"]).dictionary_encode(),
    pa.array(["a", "b"]).cast(pa.dictionary(pa.int16(), pa.string())),
    pa.array(["a", "b"], pa.large_string()),
    pa.array(["a", "b"], pa.string_view()),
    pa.array(["a", "b"]),
]


@pytest.mark.parametrize("second", STORED, ids=lambda array: str(array.type))
@pytest.mark.parametrize("first", STORED, ids=lambda array: str(array.type))
@pytest.mark.parametrize("chunks", [1, 2])
def test_strings_are_strings_however_they_are_stored(
    first: pa.Array, second: pa.Array, chunks: int, tmp_path: Path
) -> None:
    rows: list[TaggedRecord] = []
    for array in (first, second):
        nested = pa.array([["x"]] * 2, pa.list_(array.type))
        file = io.BytesIO()
        pq.write_table(pa.table({"text": ["t", "u"], "kind": array, "all": nested}), file)
        rows += [tagged(record) for record in decode("parquet", file.getvalue()) if isinstance(record, Record)]
    parts = [rows] if chunks == 1 else [rows[:2], rows[2:]]
    found = pq.read_table(io.BytesIO(encode("parquet", parts, tmp_path)))
    assert found.column("kind").to_pylist() == ["a", "b", "a", "b"]


def test_no_records_keep_the_columns_and_their_types(tmp_path: Path) -> None:
    schema = pa.schema(
        {"text": pa.large_string(), "id": pa.int16(), "spans": pa.string(), "tags": pa.list_(pa.string())}
    )
    file = io.BytesIO()
    pq.write_table(schema.empty_table(), file)
    known = parquet.columns(file)
    data = parquet.Writer(Fields()).empty(known)
    assert pq.read_schema(io.BytesIO(data)).names == ["text", "id", "tags", "spans"]
    assert pq.read_schema(io.BytesIO(data)).types[:3] == [pa.large_string(), pa.int16(), pa.list_(pa.string())]
    assert formats.writer("csv")(Fields()).empty(known) == b"text,id,tags,spans\n"
    assert pq.read_schema(io.BytesIO(parquet.Writer(Fields(spans="s")).empty({"text": None}))).types[0] == pa.string()


def test_no_records_make_an_empty_file(tmp_path: Path) -> None:
    assert pq.read_table(io.BytesIO(encode("parquet", [], tmp_path))).column_names == ["spans"]


def test_small_chunks_become_large_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 10)
    rows: list[TaggedRecord] = [tagged(Record(i, {"text": str(i)})) for i in range(35)]
    file = pq.ParquetFile(io.BytesIO(encode("parquet", [rows[i : i + 5] for i in range(0, 35, 5)], tmp_path)))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [10, 10, 10, 5]


def test_a_column_twice_is_an_error() -> None:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), file)
    with pytest.raises(InputError, match="names a field twice"):
        decode("parquet", file.getvalue())
