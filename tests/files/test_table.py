"""CSV and TSV: a bad row costs itself alone, and the header decides what columns there are."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.files.rows import decode, tagged
from vtag.errors import InputError
from vtag.files import formats
from vtag.files.records import Bad, Fields, Record, TaggedRecord
from vtag.files.table import DELIMITERS, Writer


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


def fields(data: str, delimiter: str | None = None) -> list[dict[str, str]]:
    found = formats.reader("csv", delimiter)(io.BytesIO(data.encode("utf-8-sig")), 0)
    return [dict(item.fields) for item in found if isinstance(item, Record)]


@pytest.mark.parametrize("delimiter", list(DELIMITERS))
@pytest.mark.parametrize("says", [False, True])
def test_the_delimiter_is_that_on_which_header_and_rows_agree(delimiter: str, says: bool) -> None:
    rows = [["id", "text"], ["1", "Ann, of York; 1,5 | 2\t3"], ["2", 'a "word",\nand; a line'], ["3", "1,5"], ["4", ""]]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    first = f"sep={delimiter}\r\n" if says else ""
    assert fields(first + out.getvalue()) == [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert fields(first + out.getvalue(), delimiter) == fields(out.getvalue())


def test_the_delimiter_that_the_caller_says_decides() -> None:
    assert fields("a;b,c\n1;2,3\n", ",") == [{"a;b": "1;2", "c": "3"}]
    assert fields("a;b,c\n1;2,3\n", ";") == [{"a": "1", "b,c": "2,3"}]
    assert fields("sep=;\na;b|c\n1;2|3\n", "|") == [{"a;b": "1;2", "c": "3"}]


def test_one_bad_row_does_not_hide_the_delimiter() -> None:
    found = decode("csv", b"id;text\n1;a;b\n2;c, d\n3;e, f\n")
    assert [item.number for item in found if isinstance(item, Bad)] == [1]
    assert len(found) == 3


def test_one_column_has_no_delimiter() -> None:
    assert fields('text\n"Ann, of York"\na;b\n') == [{"text": "Ann, of York"}, {"text": "a;b"}]


def test_empty_cells_of_a_header_name_nothing_at_its_end_and_their_place_elsewhere() -> None:
    assert fields("id,text,,\n1,a,,\n") == [{"id": "1", "text": "a"}]
    assert fields(",text\n0,a\n") == [{"": "0", "text": "a"}]
    assert fields(",text,,id\n0,a,b,1\n") == [{"": "0", "text": "a", "column 3": "b", "id": "1"}]
    (lost,) = decode("csv", b"id,text,,\n1,a,b,\n")
    assert lost == Bad(1, "columns")


def test_no_bytes_no_records() -> None:
    assert decode("csv", b"") == decode("tsv", b"text\n") == decode("csv", b"sep=;\n") == []


def test_values_that_are_no_strings_stand_as_they_are_said() -> None:
    values = [
        date(2024, 1, 2),
        Decimal("1.50"),
        datetime(2024, 1, 2, 3, 4),
        b"ab",
        1.5,
        True,
        None,
        ["a", 1],
        {"b": None},
    ]
    line = Writer(Fields()).encode([tagged(Record(1, {str(at): value for at, value in enumerate(values)}))]).decode()
    (row,) = csv.DictReader(io.StringIO(line))
    assert list(row.values()) == [
        *("2024-01-02", "1.50", "2024-01-02T03:04:00", "YWI=", "1.5", "true", "", '["a", 1]', '{"b": null}', "[]")
    ]


def test_tsv_has_no_quotes() -> None:
    data = b'id\ttext\n1\t"Ann met Bob, she said.\n2\tNothing here.\r\n\n3\tHe left "York".\n4\t""\n5\ta\tb\n6\t\xff\n'
    found = decode("tsv", data)
    assert [dict(item.fields) for item in found if isinstance(item, Record)] == [
        {"id": "1", "text": '"Ann met Bob, she said.'},
        {"id": "2", "text": "Nothing here."},
        {"id": "3", "text": 'He left "York".'},
        {"id": "4", "text": '""'},
    ]
    assert found[4:] == [Bad(5, "columns"), Bad(6, "not_utf8")]


@pytest.mark.parametrize("value", ["a\tb", "a\nb", "a\r"])
def test_what_tsv_cannot_hold_is_a_record_of_the_errors_file(value: str) -> None:
    writer = formats.writer("tsv")(Fields())
    assert writer.refuses(Record(1, {"text": value})) == "not_for_tsv"
    assert writer.refuses(Record(1, {value: "text"})) == "not_for_tsv"
    assert writer.refuses(Record(1, {"text": "a", "spans": value})) is None
    assert writer.refuses(Record(1, {"list": [value]})) is None  # JSON has escapes


def test_halves_of_surrogate_pairs_are_spelt_out_and_name_no_column() -> None:
    writer = Writer(Fields())
    assert writer.encode([tagged(Record(1, {"text": "a", "odd": "\ud800"}))]) == b"text,odd,spans\na,\\ud800,[]\n"
    assert Writer(Fields()).refuses(Record(1, {"text": "a", "\ud800": 1})) == "new_field"


def test_columns_are_those_of_the_first_chunk_also_after_a_stop(tmp_path: Path) -> None:
    first: list[TaggedRecord] = [
        tagged(Record(1, {"text": "a", "n": 1.5})),
        tagged(Record(2, {"text": "b", "list": [1, None]})),
    ]
    writer = Writer(Fields())
    (tmp_path / "out.csv").write_bytes(writer.encode(first))
    assert (tmp_path / "out.csv").read_text("utf-8") == 'text,n,list,spans\na,1.5,,[]\nb,,"[1, null]",[]\n'
    for same in (writer, Writer(Fields(), begun=tmp_path / "out.csv")):
        assert same.refuses(Record(3, {"list": None, "text": "c"})) is None
        assert same.refuses(Record(3, {"text": "c", "new": 1})) == "new_field"
        assert same.encode([tagged(Record(3, {"list": "x", "text": "c"}))]) == b"c,,x,[]\n"
