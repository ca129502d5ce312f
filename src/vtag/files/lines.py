"""Plain text: each line is a text, the empty ones too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from vtag.files.records import Bad, Record


def read(file: BinaryIO, after: int) -> Iterator[Record | Bad]:
    """The records after line `after`, each with the one field `text`."""
    for number, line in enumerate(file, 1):
        if number <= after:
            continue
        end = -2 if line.endswith(b"\r\n") else -1 if line.endswith(b"\n") else None
        try:
            text = line[:end].decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            yield Bad(number, "not_utf8")
        else:
            yield Record(number, {"text": text}, size=len(text))
