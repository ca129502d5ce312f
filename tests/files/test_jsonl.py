"""JSON Lines: what is not ours in a line stays as it was, and a bad line costs itself alone."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.files.rows import decode, spans_of, tagged
from vtag.files.jsonl import Writer, dump_spans, with_value
from vtag.files.records import Bad, Fields, Record
from vtag.types import Span


def again(line: str, spans_field: str = "spans") -> str:
    """The line as it is written with no spans."""
    (record,) = decode("jsonl", line.encode())
    assert isinstance(record, Record)
    return Writer(Fields(spans=spans_field)).encode([tagged(record)]).decode()


@pytest.mark.parametrize(
    "line",
    [
        '{"text":"a"',
        '{ "text" : "a", "n": 1.10, "big": 123456789012345678901234567890, "e": 1E400, "x": NaN',
        '{"text": "a", "escaped": "\\u00e9\\ud83d\\ude00\\/", "twice": 1, "twice": 2',
        '{"text": "a", "half": "\\ud800"',
        '{"text": "a", "deep": {"spans": [1, {"}": "]"}]}',
    ],
)
def test_a_line_stays_as_it_was_but_for_its_spans(line: str) -> None:
    assert again(line + " }") == line + ', "spans": []}\n'


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('{"spans": [1, "}"], "text": "a" }', '{"text": "a", "spans": []}\n'),
        ('{"text": "a", "spans" : {"x": 1.0}}', '{"text": "a", "spans": []}\n'),
        ('{"spans":1,"text":"a","b":1.0,"spans":2}', '{"text":"a", "b":1.0, "spans": []}\n'),
        ('{"\\u0073pans": 1}', '{"spans": []}\n'),
    ],
)
def test_a_field_of_that_name_is_replaced(line: str, kept: str) -> None:
    assert again(line) == kept


BLANKS = st.text(alphabet=" \t\n\r", max_size=2)
# As JSON writes them; the first two are one name.
NAMES = st.sampled_from(
    ['"text"', r'"t\u0065xt"', '"a"', '""', r'"\""', r'"\\"', r'"x\\\"text\": "', '"é"', '"}"', '", "']
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "a", '"']), inner, max_size=3),
    max_leaves=5,
).map(json.dumps)
MEMBERS = st.lists(st.tuples(BLANKS, NAMES, BLANKS, BLANKS, VALUES, BLANKS), max_size=4)


@given(MEMBERS, MEMBERS, BLANKS, st.text())
def test_with_a_new_value_all_else_is_as_it_was_in_any_spelling(before: Any, after: Any, blank: str, new: str) -> None:
    """Of a name that comes several times the last one counts, and it alone is left."""
    others = [f"{a}{name}{b}:{c}{value}{d}" for a, name, b, c, value, d in [*before, *after]]

    def line(value: str) -> str:
        text = f'{blank}"text"{blank}:{value}{blank}'
        return f"{{{','.join([*others[: len(before)], text, *others[len(before) :]])}}}"

    made = with_value(line('"old"'), ["text"], new)
    if any(json.loads(name) == "text" for _, name, *_ in [*before, *after]):
        expected = json.loads(line('"old"')) | {"text": new}
        assert json.dumps(json.loads(made), sort_keys=True) == json.dumps(expected, sort_keys=True)
        assert [name for name, _ in json.loads(made, object_pairs_hook=list)].count("text") == 1
    else:
        assert made == line(json.dumps(new, ensure_ascii=False))


def test_blanks_take_time_in_proportion_to_their_number() -> None:
    blanks = " " * 1_000_000
    assert with_value(f'{{"text":{blanks}"a"{blanks}}}', ["text"], "b") == f'{{"text":{blanks}"b"{blanks}}}'


def test_bad_lines_say_why_and_the_next_ones_are_read() -> None:
    data = (
        b'\xef\xbb\xbf{"text": "a"}\r\n\n  \n{"text"\n[1]\n"a"\n{"text": "\xff"}\n'
        + b"[" * 100_000
        + b'\n{"text": "b"}'
    )
    found = decode("jsonl", data)
    assert [item.number for item in found] == [1, 4, 5, 6, 7, 8, 9]
    assert [item.reason for item in found if isinstance(item, Bad)] == [
        "not_json",
        "not_object",
        "not_object",
        "not_utf8",
        "not_json",
    ]


def test_spans_are_written_as_to_dict_says() -> None:
    spans = [*spans_of('é"\\\n👩'), Span(0, 1, "A", 1.0, "x", words=(0, 2)), Span(0, 1, "B", 1e-07, "\u2028")]
    assert dump_spans(spans) == json.dumps([span.to_dict() for span in spans], ensure_ascii=False)


def test_values_that_json_has_no_word_for() -> None:
    fields = {"day": date(2026, 1, 2), "price": Decimal("1.10"), "raw": b"\x00\xff"}
    (line,) = Writer(Fields()).encode([tagged(Record(1, fields))]).decode().splitlines()
    assert json.loads(line) == {"day": "2026-01-02", "price": "1.10", "raw": "AP8=", "spans": []}
