"""JSON Lines: one object a line. Fields that vtag does not read are copied character by character."""

from __future__ import annotations

import base64
import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring as quote
from operator import add
from pathlib import Path
from typing import Any, BinaryIO

from vtag.errors import error
from vtag.files.records import Bad, Fields, Record, TaggedRecord
from vtag.types import Replacement, Span

BLANK = " \t\n\r"
_decoder = json.JSONDecoder()
# The name of an object's next member, and all that stands around it.
_NAME = re.compile(rf'[{BLANK}]*+,?[{BLANK}]*+("[^"\\]*+(?:\\.[^"\\]*+)*+")[{BLANK}]*+:[{BLANK}]*+')


def read(file: BinaryIO, after: int) -> Iterator[Record | Bad]:
    """The records after line `after`; blank lines are no records."""
    first = after == 0
    for number, line in enumerate(file, 1):
        if number <= after:
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip(BLANK)
        except UnicodeDecodeError:
            yield Bad(number, "not_utf8")
            continue
        if not text:
            continue
        record = parsed(number, text)
        if first and isinstance(record, Bad) and text[0] == "[" and text[1:].lstrip(BLANK)[:1] in ("", "{"):
            raise error("json_array", file=getattr(file, "name", "-"))
        first = False
        yield record


def parsed(number: int, text: str) -> Record | Bad:
    """The record of some JSON without surrounding white space."""
    try:
        fields = _decoder.decode(text)
    except (ValueError, RecursionError):
        return Bad(number, "not_json")
    return Record(number, fields, text, len(text)) if isinstance(fields, dict) else Bad(number, "not_object")


class Writer:
    """One object a line, the spans after its own fields: `"spans": [{"start", "end", "label", "score", "text"}]`."""

    def __init__(self, fields: Fields, begun: Path | None = None) -> None:
        self._left_out = fields.left_out
        self._keys = [f"{json.dumps(name, ensure_ascii=False)}: " for name in fields.written]

    def refuses(self, record: Record) -> None:
        """Nothing: an object holds all fields."""

    def encode(self, rows: Sequence[TaggedRecord]) -> bytes:
        """These rows as lines."""
        return "".join(map(self._line, rows)).encode()

    def empty(self, columns: Mapping[str, Any]) -> bytes:
        """No lines."""
        return b""

    def _line(self, row: TaggedRecord) -> str:
        record = row.record
        rest = record.source if isinstance(record.source, str) else dumps(dict(record.fields))
        for name in self._left_out:
            if name in record.fields:
                rest = _without(rest, name)
        if not self._keys:
            return f"{rest}\n"
        body = rest[:-1].rstrip(BLANK)
        added = ", ".join(map(add, self._keys, cells(row)))
        return f"{body}{'' if body == '{' else ', '}{added}}}\n"


def cells(row: TaggedRecord) -> Iterator[str]:
    """The JSON of the fields that are added to a record, in the order of `Fields.written`."""
    yield f"[{', '.join(map(_dump, row.spans))}]"
    yield dumps(row.coverage.to_dict())


def dump_spans(spans: Sequence[Span]) -> str:
    """`Span.to_dict` of each span, as a JSON list."""
    return f"[{', '.join(map(_dump, spans))}]"


def _dump(span: Span | Replacement) -> str:
    """`to_dict` as JSON. Written by hand: half of a run's own time goes into these objects."""
    if isinstance(span, Replacement):
        return (
            f'{{"start": {span.start}, "end": {span.end}, "old_start": {span.old_start}, "old_end": {span.old_end}, '
            f'"label": {quote(span.label)}, "action": "{span.action}"}}'
        )
    words = "" if span.words is None else f', "words": [{span.words[0]}, {span.words[1]}]'
    return (
        f'{{"start": {span.start}, "end": {span.end}, "label": {quote(span.label)}, "score": {span.score!r}, '
        f'"text": {quote(span.text)}{words}}}'
    )


def plain(value: Any) -> str:
    """The JSON form of a Parquet value without one; raises TypeError for others."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Decimal | datetime.timedelta):
        return str(value)
    raise TypeError(type(value).__name__)


dumps = json.JSONEncoder(ensure_ascii=False, default=plain).encode


def with_value(line: str, path: Sequence[str], value: str) -> str:
    """The object with another value at a path of names, which it has; all else stays, character by character.

    Where an object has a name several times, the last one counts, as for Python; the others are left out.
    """
    members = [(begin, end) for key, _, begin, end in _members(line) if key == path[0]]
    begin, end = members[-1]
    inner = quote(value) if len(path) == 1 else with_value(line[begin:end], path[1:], value)
    line = line[:begin] + inner + line[end:]
    return line if len(members) == 1 else _without(line, path[0], but_last=True)


def _without(line: str, field: str, *, but_last: bool = False) -> str:
    """The object without a field, however often it has it; or with the last one of them."""
    members = [*_members(line)]
    last = max((begin for key, _, begin, _ in members if key == field), default=0) if but_last else None
    kept = [line[start:end] for key, start, begin, end in members if key != field or begin == last]
    return "{" + ", ".join(kept) + "}"


def _members(line: str) -> Iterator[tuple[str, int, int, int]]:
    """Of each member of an object its name, where it starts, and where its value begins and ends."""
    end = 1
    while found := _NAME.match(line, end):
        start, begin = found.start(1), found.end()
        name = json.loads(found[1]) if "\\" in found[1] else found[1][1:-1]
        _, end = _decoder.raw_decode(line, begin)
        yield name, start, begin, end
