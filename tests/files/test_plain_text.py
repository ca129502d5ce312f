"""Plain text: every line is a text, the empty ones too."""

from __future__ import annotations

from tests.files.rows import decode
from vtag.files.records import Bad, Record


def test_lines_are_texts_whatever_is_in_them() -> None:
    found = decode("text", "\ufeffa\r\n\n b\u2028c\rd \n\ne".encode())
    assert [dict(item.fields) for item in found if isinstance(item, Record)] == [
        {"text": text} for text in ("a", "", " b\u2028c\rd ", "", "e")
    ]


def test_a_line_that_is_no_utf8_costs_itself_alone() -> None:
    found = decode("text", b"a\n\xff\nb\n")
    assert found[1] == Bad(2, "not_utf8")
    assert [item.number for item in found] == [1, 2, 3]


def test_utf_16_is_no_utf8_with_its_mark_or_without() -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        assert decode("text", "I am Ann.\nBob\n".encode(encoding))[0] == Bad(1, "not_utf8")
    assert [item.number for item in decode("text", b"a\0b\0\0c\n\0\0\n") if isinstance(item, Record)] == [1, 2]
