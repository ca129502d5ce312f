"""Plain text: each line is a text, empty lines included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from vtag.files.records import Bad, Record


def read(file: BinaryIO, after: int) -> Iterator[Record | Bad]:
    """The records after line `after`, each with one field, `text`."""
    for number, line in enumerate(file, 1):
        if number <= after:
            continue
        text = decode(line.removesuffix(b"\n"), number)
        yield Bad(number, "not_utf8") if text is None else Record(number, {"text": text}, size=len(text))


def decode(line: bytes, number: int) -> str | None:
    """Line `number`, from 1, without its line end and byte order mark; None if it is not UTF-8.

    UTF-16 without its mark looks like UTF-8 with a NUL at every second position; line 1 shows it.
    """
    if number == 1 and len(line) > 3 and any(b"\0" not in line[at::2] and not any(line[1 - at :: 2]) for at in (0, 1)):
        return None
    try:
        return line.removesuffix(b"\r").decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        return None
