"""CSV and TSV after RFC 4180: the first row names the fields, and quoted fields may hold line ends."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from vtag.errors import error
from vtag.files.compression import unpacked
from vtag.files.jsonl import dump_spans, dumps
from vtag.files.records import Bad, Record, Row, has_surrogate


def read(file: BinaryIO, after: int, delimiter: str = ",") -> Iterator[Record | Bad]:
    """The records after row `after`; all values are strings. Blank lines are no records."""
    csv.field_size_limit(sys.maxsize)
    # Bytes that are no UTF-8 become lone surrogates, so that only their own row is lost.
    lines = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        header = _next(rows)
        if header is None:
            return
        if isinstance(header, Bad) or len(set(header)) < len(header) or any(map(has_surrogate, header)):
            raise error("bad_header", file=getattr(file, "name", "-"))
        number = 0
        while (row := _next(rows)) is not None:
            if not row:
                continue
            number += 1
            if number <= after:
                continue
            if isinstance(row, Bad):
                yield Bad(number, row.reason)
            elif any(map(has_surrogate, row)):
                yield Bad(number, "not_utf8")
            elif len(row) != len(header):
                yield Bad(number, "columns")
            else:
                yield Record(number, dict(zip(header, row, strict=True)), size=sum(map(len, row)))
    finally:
        lines.detach()


def _next(rows: Iterator[list[str]]) -> list[str] | Bad | None:
    try:
        return next(rows, None)
    except csv.Error:
        return Bad(0, "bad_row")


class Writer:
    """The spans as JSON in the last column; what is no string as JSON too. The first rows decide what columns are."""

    def __init__(self, spans_field: str, words: bool = False, begun: Path | None = None, delimiter: str = ",") -> None:
        self._field, self._delimiter = spans_field, delimiter
        self._columns: dict[str, None] = {}
        if begun is not None:
            with open(begun, "rb") as raw, io.TextIOWrapper(unpacked(raw, begun.name), "utf-8", newline="") as lines:
                header = next(csv.reader(lines, delimiter=delimiter))
            self._columns = dict.fromkeys(header[:-1])
        self._begun = begun is not None

    def fits(self, record: Record) -> bool:
        """The columns are those of the first chunk, for a header stands at the top; and they have names in UTF-8."""
        if any(map(has_surrogate, record.fields)):
            return False
        return not self._begun or all(name in self._columns or name == self._field for name in record.fields)

    def encode(self, rows: Sequence[Row]) -> bytes:
        """These rows; before the first of all the header."""
        lines: list[str] = []
        if not self._begun:
            self._columns = dict.fromkeys(n for record, _ in rows for n in record.fields if n != self._field)
            lines.append(self._row([*self._columns, self._field]))
            self._begun = True
        for record, spans in rows:
            values = [_cell(record.fields.get(name)) for name in self._columns]
            lines.append(self._row([*values, dump_spans(spans)]))
        return "".join(lines).encode(errors="backslashreplace")  # JSON can hold halves of surrogate pairs

    def _row(self, values: Sequence[str]) -> str:
        out = io.StringIO(newline="")
        # With \r\n as its line end the writer quotes fields that hold either of the two.
        csv.writer(out, delimiter=self._delimiter, lineterminator="\r\n").writerow(values)
        return out.getvalue()[:-2] + "\n"


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else dumps(value)
