"""CSV and TSV: a bad row costs itself alone, and the header decides what columns there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.files.rows import decode
from vtag.errors import InputError
from vtag.files.records import Bad, Record, Row
from vtag.files.table import Writer


def test_bad_rows_say_why_and_the_next_ones_are_read() -> None:
    data = b'id,text\n1,a\n2\n3,b,c\n4,"x"y\n5,\xff\n\n6,"c\r\nd"\n7,"open'
    found = decode("csv", data)
    assert [item.number for item in found] == [1, 2, 3, 4, 5, 6, 7]
    assert [item.reason for item in found if isinstance(item, Bad)] == [
        "columns",
        "columns",
        "bad_row",
        "not_utf8",
        "bad_row",
    ]
    assert [dict(item.fields) for item in found if isinstance(item, Record)] == [
        {"id": "1", "text": "a"},
        {"id": "6", "text": "c\r\nd"},
    ]


@pytest.mark.parametrize("header", [b"a,a\n", b"a,\xff\n", b'a,"b"c\n'])
def test_a_header_that_cannot_name_fields_is_an_error(header: bytes) -> None:
    with pytest.raises(InputError, match="its header is not UTF-8 or names a field twice"):
        decode("csv", header + b"1,2\n")


def test_no_bytes_no_records() -> None:
    assert decode("csv", b"") == decode("tsv", b"text\n") == []


def test_halves_of_surrogate_pairs_are_spelt_out_and_name_no_column() -> None:
    writer = Writer("spans")
    assert writer.encode([(Record(1, {"text": "a", "odd": "\ud800"}), [])]) == b"text,odd,spans\na,\\ud800,[]\n"
    assert not Writer("spans").fits(Record(1, {"text": "a", "\ud800": 1}))


def test_columns_are_those_of_the_first_chunk_also_after_a_stop(tmp_path: Path) -> None:
    first: list[Row] = [(Record(1, {"text": "a", "n": 1.5}), []), (Record(2, {"text": "b", "list": [1, None]}), [])]
    writer = Writer("spans")
    (tmp_path / "out.csv").write_bytes(writer.encode(first))
    assert (tmp_path / "out.csv").read_text("utf-8") == 'text,n,list,spans\na,1.5,,[]\nb,,"[1, null]",[]\n'
    for same in (writer, Writer("spans", begun=tmp_path / "out.csv")):
        assert same.fits(Record(3, {"list": None, "text": "c"}))
        assert not same.fits(Record(3, {"text": "c", "new": 1}))
        assert same.encode([(Record(3, {"list": "x", "text": "c"}), [])]) == b"c,,x,[]\n"
