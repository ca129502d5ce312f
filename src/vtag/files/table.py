"""CSV according to RFC 4180: the first row names the fields, and quoted fields may hold line ends."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from vtag.errors import error
from vtag.files.compression import unpacked
from vtag.files.jsonl import cells, dumps, plain
from vtag.files.records import Bad, Fields, Record, TaggedRecord, has_surrogate

DELIMITERS = ",;\t|"
# The delimiter is guessed from so many lines, or so many characters.
HEAD_LINES, HEAD_SIZE = 100, 1 << 16
# A first line that Excel understands.
_SAYS = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)


def read(file: BinaryIO, after: int, delimiter: str | None = None) -> Iterator[Record | Bad]:
    """The records after row `after`; all values are strings. Blank lines are no records.

    delimiter: None: from a first line `sep=;`, or the one on which the header and most of the first rows agree.
    """
    # Bytes that are not UTF-8 become lone surrogates, so that only their own row fails.
    lines = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        rows = _rows(lines, delimiter)
        header = next(rows, None)
        if header is None:
            return
        name = getattr(file, "name", "-")
        yield from records(names(header, name), len(header) if isinstance(header, list) else 0, rows, after)
    finally:
        lines.detach()


def columns(file: BinaryIO, delimiter: str | None = None) -> dict[str, Any]:
    """The names of the fields, which have no types."""
    lines = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        header = next(_rows(lines, delimiter), None)
        return {} if header is None else dict.fromkeys(names(header, getattr(file, "name", "-")))
    finally:
        lines.detach()


def names(header: list[str] | Bad, file: str) -> list[str]:
    """The field names of a header. Empty cells at its end are no fields; later empty cells are named
    by their position.
    """
    if isinstance(header, Bad) or any(map(has_surrogate, header)):
        raise error("bad_header", file=file)
    found = list(header)
    while len(found) > 1 and not found[-1]:
        found.pop()
    seen = set(found)
    for at, name in enumerate(found):
        if not name and "" in found[:at] and f"column {at + 1}" not in seen:
            found[at] = f"column {at + 1}"
    if len(set(found)) < len(found):
        raise error("bad_header", file=file)
    return found


def records(fields: Sequence[str], width: int, rows: Iterable[list[str] | Bad], after: int) -> Iterator[Record | Bad]:
    """The records of the rows after number `after`; width: of the header, with its empty cells."""
    for number, row in enumerate(rows, 1):
        if number <= after:
            continue
        if isinstance(row, Bad):
            yield Bad(number, row.reason)
            continue
        if len(row) == width > len(fields) and not any(row[len(fields) :]):
            row = row[: len(fields)]
        if any(map(has_surrogate, row)):
            yield Bad(number, "not_utf8")
        elif len(row) != len(fields):
            yield Bad(number, "columns")
        else:
            yield Record(number, dict(zip(fields, row, strict=True)), size=sum(map(len, row)))


def _rows(lines: io.TextIOBase, delimiter: str | None) -> Iterator[list[str] | Bad]:
    """The rows that are not blank, the header first."""
    csv.field_size_limit(sys.maxsize)
    head: list[str] = []
    while len(head) < HEAD_LINES and sum(map(len, head)) < HEAD_SIZE and (line := lines.readline()):
        head.append(line)
    said = _SAYS.fullmatch(head[0]) if head else None
    if said is not None:
        head.pop(0)
    delimiter = delimiter or (said[1] if said else _agreed(head))
    rows = csv.reader(chain(head, lines), delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            yield Bad(0, "bad_row")
            continue
        if row is None:
            return
        if row:
            yield row


def _agreed(head: list[str]) -> str:
    """Of the delimiters that occur in the header, the one that splits most rows into equally many fields."""
    best, most = DELIMITERS[0], -1
    for delimiter in DELIMITERS:
        found = []
        try:
            for row in csv.reader(head, delimiter=delimiter, strict=True):
                found.append(len(row))
        except csv.Error:  # perhaps the last row, which is truncated
            pass
        found = [width for width in found if width]
        if found and found[0] > 1 and found.count(found[0]) > most:
            best, most = delimiter, found.count(found[0])
    return best


class Writer:
    """The spans as JSON in a column after the others, as are values that are no strings. The first rows determine the
    columns.
    """

    def __init__(self, fields: Fields, begun: Path | None = None) -> None:
        self._fields, self._left_out = fields, fields.left_out
        self._columns: dict[str, None] = {}
        if begun is not None:
            with open(begun, "rb") as raw, io.TextIOWrapper(unpacked(raw, begun.name), "utf-8", newline="") as lines:
                header = self.header(lines)
                self._columns = dict.fromkeys(header[: len(header) - len(fields.written)])
        self._begun = begun is not None

    def refuses(self, record: Record) -> str | None:
        """The columns are those of the first chunk, as the header comes first, and their names must be UTF-8."""
        known = not self._begun or all(name in self._columns or name in self._left_out for name in record.fields)
        return None if known and not any(map(has_surrogate, record.fields)) else "new_field"

    def encode(self, rows: Sequence[TaggedRecord]) -> bytes:
        """These rows; the header before the first ones."""
        lines = []
        if not self._begun:
            lines.append(self.empty(dict.fromkeys(name for row in rows for name in row.record.fields)))
        for row in rows:
            values = [cell(row.record.fields.get(name)) for name in self._columns]
            lines.append(self._line([*values, *islice(cells(row), len(self._fields.written))]))
        return b"".join(lines)

    def empty(self, columns: Mapping[str, Any]) -> bytes:
        """The header of these columns and of what is added."""
        self._columns = dict.fromkeys(name for name in columns if name not in self._left_out)
        self._begun = True
        return self._line([*self._columns, *self._fields.written])

    def _line(self, values: Sequence[str]) -> bytes:
        return self.line(values).encode(errors="backslashreplace")  # JSON can escape lone surrogates

    @staticmethod
    def line(values: Sequence[str]) -> str:
        """A row as it is written."""
        out = io.StringIO(newline="")
        # With \r\n as its line end the writer quotes fields that contain either character.
        csv.writer(out, lineterminator="\r\n").writerow(values)
        return out.getvalue()[:-2] + "\n"

    @staticmethod
    def header(lines: io.TextIOBase) -> list[str]:
        """The names in the header that was written."""
        return next(csv.reader(lines))


def cell(value: Any) -> str:
    """A value as text: JSON for nested values and numbers."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        return plain(value)
    except TypeError:
        return dumps(value)
