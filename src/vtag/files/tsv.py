"""TSV as registered by IANA (text/tab-separated-values): the first line names the fields, and there is no quoting.

A field holds neither tabs nor line ends, and a quote is an ordinary character.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from vtag.files import table
from vtag.files.records import Bad, Record

_ENDS = ("\t", "\n", "\r")


def read(file: BinaryIO, after: int) -> Iterator[Record | Bad]:
    """The records after line `after`, not counting the header; all values are strings. Blank lines are no records."""
    rows = _rows(file)
    header = next(rows, None)
    if header is not None:
        yield from table.records(table.names(header, getattr(file, "name", "-")), len(header), rows, after)


def columns(file: BinaryIO) -> dict[str, Any]:
    """The names of the fields, which have no types."""
    header = next(_rows(file), None)
    return {} if header is None else dict.fromkeys(table.names(header, getattr(file, "name", "-")))


def _rows(file: BinaryIO) -> Iterator[list[str]]:
    """Bytes that are not UTF-8 become lone surrogates, so that only their own row fails."""
    for number, line in enumerate(file):
        text = line.decode("utf-8-sig" if number == 0 else "utf-8", errors="surrogateescape")
        text = text.removesuffix("\n").removesuffix("\r")
        if text:
            yield text.split("\t")


class Writer(table.Writer):
    """The spans as JSON in the last column, without tabs and line ends."""

    def refuses(self, record: Record) -> str | None:
        """As in CSV; besides, tabs and line ends cannot be quoted."""
        cells = (
            part
            for name, value in record.fields.items()
            if name not in self._left_out
            for part in (name, table.cell(value))
        )
        if any(end in part for part in cells for end in _ENDS):
            return "not_for_tsv"
        return super().refuses(record)

    @staticmethod
    def line(values: Sequence[str]) -> str:
        """A row as it is written."""
        return "\t".join(values) + "\n"

    @staticmethod
    def header(lines: io.TextIOBase) -> list[str]:
        """The names in the header that was written."""
        return lines.readline().removesuffix("\n").split("\t")
