"""The elements of an array are records, however they are laid out, and one that is broken costs itself alone."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.files.rows import decode
from vtag.files import json_array
from vtag.files.records import Bad, DamagedError, Record

LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
OBJECTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=3), max_size=6)
SURROGATES = st.lists(st.fixed_dictionaries({"text": st.text(st.characters(codec=None))}), max_size=3)


@given(
    objects=OBJECTS | SURROGATES,
    indent=st.sampled_from([None, 0, 2, "\t"]),
    plain=st.booleans(),
    layout=st.sampled_from(["array", "lines", "after each other"]),
    read=st.sampled_from([1, 2, 7, 1 << 16]),
)
def test_every_object_is_a_record_in_any_layout_and_whatever_is_read_at_once(
    objects: list[dict[str, Any]], indent: Any, plain: bool, layout: str, read: int
) -> None:
    def dump(value: Any) -> str:
        return json.dumps(value, indent=indent, ensure_ascii=plain)

    objects = json.loads(json.dumps(objects))  # two halves of a surrogate pair side by side are one character there
    try:
        whole = dump(objects) if layout == "array" else ("\n" if layout == "lines" else "").join(map(dump, objects))
        data = f"\ufeff {whole}\r\n".encode()
    except UnicodeEncodeError:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "READ", read)
        found = decode("json", data)
    assert [dict(item.fields) for item in found if isinstance(item, Record)] == objects
    assert [item.number for item in found] == list(range(1, len(objects) + 1))
    assert all("\n" not in item.source for item in found if isinstance(item, Record))


def test_what_is_not_ours_stays_as_it_is_written() -> None:
    (record,) = decode(
        "json", b'[{"n": 1.10, "big": 123456789012345678901234567890,\n "e": "\\u00e9", "half": "\\ud800"}]'
    )
    assert isinstance(record, Record)
    assert record.source == '{"n": 1.10, "big": 123456789012345678901234567890, "e": "\\u00e9", "half": "\\ud800"}'


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b" [ ] ", []),
        (b'[1, {"a": 1}, "x,]", [{}]]', ["not_object", {"a": 1}, "not_object", "not_object"]),
        (b'[{"a": }, {"a": 1}, , {"b": 2}]', ["not_json", {"a": 1}, "not_json", {"b": 2}]),
        (b'[{"a": "\xff"}, {"a": 1}]', ["not_utf8", {"a": 1}]),
        (b'[{"a": 1} {"a": 1}]', ["not_json"]),
        (b'{"a": 1} x {"b": 2} {"c": 3}', [{"a": 1}, "not_json", {"c": 3}]),
        (b'{"a": 1} {"b"', [{"a": 1}, "not_json"]),
        (b"[" + b"[" * 5000 + b"]" * 5000 + b', {"a": 1}]', ["not_json", {"a": 1}]),
    ],
)
def test_a_broken_element_costs_itself(data: bytes, found: list[Any]) -> None:
    assert [item.reason if isinstance(item, Bad) else dict(item.fields) for item in decode("json", data)] == found


@pytest.mark.parametrize("data", [b'[{"a": 1}', b'[{"a": 1},', b'[{"a": "x', b'[{"a": 1}] {"b": 2}', b"[", b"[]]"])
def test_an_array_that_does_not_end_or_goes_on_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedError):
        decode("json", data)


def test_memory_does_not_grow_with_the_file() -> None:
    element = json.dumps({"text": 'a "quoted" [text], {and} so on' * 20}).encode()
    peaks = []
    for count in (500, 5000):
        file = io.BytesIO(b"[" + b",\n".join([element] * count) + b"]")
        tracemalloc.start()
        assert sum(1 for _ in json_array.read(file, 0)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]
