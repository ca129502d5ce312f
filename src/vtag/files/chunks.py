"""Records of many files in chunks, the unit of tagging, writing and committing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from vtag.errors import VtagError, error, short
from vtag.files import formats, inputs
from vtag.files.inputs import Input
from vtag.files.records import MISSING, Bad, Fields, Record, has_surrogate, path_of, value_at
from vtag.text.batching import BATCH_CHARACTERS, BATCH_TEXTS, BatchFill

# A chunk is one batch, or so many characters in all fields: it stays in memory until it is written.
RECORDS = BATCH_TEXTS
SIZE = BATCH_CHARACTERS
BULK = 1 << 24
# So many records without the text's field are an error of the whole file.
PEEK = 100
# How many field names the message lists.
SHOWN = 12


@dataclass(slots=True)
class Chunk:
    """Consecutive records; the records alone determine where a chunk ends.

    file, record: the end of the chunk, as in `State`.
    records, texts: those that can be tagged. bad: the others. Each has the number of its file before it.
    share: how much of the input was read, from 0 to 1; None if unknown.
    """

    file: int
    record: int
    records: list[tuple[int, Record]] = field(default_factory=list)
    texts: list[Any] = field(default_factory=list)
    bad: list[tuple[int, Bad]] = field(default_factory=list)
    share: float | None = None


def read(sources: Sequence[Input], file: int, record: int, fields: Fields) -> Iterator[Chunk]:
    """The chunks after a record."""
    total = sum(source.size for source in sources)
    chunk, filling, bulk = Chunk(file, record), BatchFill(RECORDS, SIZE), BatchFill(RECORDS, BULK)
    for number in range(file, len(sources)):
        before = sum(source.size for source in sources[:number])
        with inputs.opened(sources[number]) as raw:
            for item in inputs.records(sources[number], raw, record):
                chunk.file, chunk.record = number, item.number
                value = input_of(item, fields)
                if isinstance(value, Bad):
                    chunk.bad.append((number, value))
                    full = filling.add(0) | bulk.add(0)
                else:
                    chunk.records.append((number, item))  # type: ignore[arg-type]
                    chunk.texts.append(value)
                    full = filling.add(len(value)) | bulk.add(item.size)  # type: ignore[union-attr]
                if full:
                    chunk.share = (before + raw.tell()) / total if total else None
                    yield chunk
                    chunk = Chunk(number, item.number)
                    filling.clear()
                    bulk.clear()
        record = 0
    if chunk.records or chunk.bad:
        chunk.share = 1.0
        yield chunk


def check(sources: Sequence[Input], fields: Fields) -> None:
    """Raise an error for a file that cannot be tagged as a whole, before an engine starts."""
    without: VtagError | None = None
    some = False
    for source in sources:
        if source.pipe:
            some = True
            continue
        with inputs.opened(source) as raw:
            first = [item for item in islice(inputs.records(source, raw), PEEK) if isinstance(item, Record)]
        if any(value_at(item.fields, path_of(item.fields, fields.read)) is not MISSING for item in first):
            some = True
        elif first:
            names = ", ".join(_names(first[0].fields)[:SHOWN])
            without = error("no_text_field", path=source.path, field=fields.read, names=names)
            if formats.FORMATS[source.format].columns or len(first) == PEEK:
                raise without
        taken = [name for name in fields.written if any(name in item.fields for item in first)]
        if taken and not fields.overwrite:
            raise error("field_taken", path=source.path, field=taken[0])
    if without is not None and not some:
        raise without


def _names(fields: Mapping[str, Any]) -> list[str]:
    """The names of a record's fields, nested ones included."""
    found = []
    for name, value in fields.items():
        inner = _names(value) if isinstance(value, Mapping) else []
        found += [f"{name}.{part}" for part in inner] or [name]
    return [short(name)[1:-1] for name in found]


def input_of(item: Record | Bad, fields: Fields) -> Any:
    """The text or the words of a record, or why it has none."""
    if isinstance(item, Bad):
        return item
    if not fields.overwrite and any(name in item.fields for name in fields.written):
        return Bad(item.number, "spans_field")
    value = value_at(item.fields, path_of(item.fields, fields.read))
    if value is MISSING:
        return Bad(item.number, "no_field")
    if fields.words is None:
        if not isinstance(value, str):
            return Bad(item.number, "not_a_string")
        return Bad(item.number, "lone_surrogate") if has_surrogate(value) else value
    if isinstance(value, str):  # a column of CSV
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return Bad(item.number, "not_words")
    return Bad(item.number, "lone_surrogate") if any(map(has_surrogate, value)) else value
