"""Records of many files into chunks: what is tagged, written and committed together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from vtag.errors import error
from vtag.files import formats, inputs
from vtag.files.inputs import Input
from vtag.files.records import Bad, Record, has_surrogate

# A chunk is so many records, or so many characters (or words) to tag: what `LLM.tag_stream` takes at once. Or so many
# characters in all fields, for it stays in memory until it is written.
RECORDS = 2048
SIZE = 1 << 20
BULK = 1 << 24
# So many records that all lack the text's field are no accident.
PEEK = 100


@dataclass(frozen=True, slots=True)
class Fields:
    """Which fields of a record are read and written; `words` is read instead of `text`."""

    text: str = "text"
    words: str | None = None
    spans: str = "spans"
    overwrite: bool = False

    @property
    def read(self) -> str:
        """The field that is tagged."""
        return self.text if self.words is None else self.words


@dataclass(slots=True)
class Chunk:
    """A run of records; how many depends on them alone.

    file, record: where it ends, as in `State`.
    records, texts: those that can be tagged. bad: the others. Each has the number of its file before it.
    share: how much of the input had been read then, from 0 to 1; None where nobody knows.
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
    chunk, size, bulk = Chunk(file, record), 0, 0
    for number in range(file, len(sources)):
        before = sum(source.size for source in sources[:number])
        with inputs.opened(sources[number]) as raw:
            for item in inputs.records(sources[number], raw, record):
                chunk.file, chunk.record = number, item.number
                value = given(item, fields)
                if isinstance(value, Bad):
                    chunk.bad.append((number, value))
                else:
                    chunk.records.append((number, item))  # type: ignore[arg-type]
                    chunk.texts.append(value)
                    size, bulk = size + len(value), bulk + item.size  # type: ignore[union-attr]
                if len(chunk.records) + len(chunk.bad) == RECORDS or size >= SIZE or bulk >= BULK:
                    chunk.share = (before + raw.tell()) / total if total else None
                    yield chunk
                    chunk, size, bulk = Chunk(number, item.number), 0, 0
        record = 0
    if chunk.records or chunk.bad:
        chunk.share = 1.0
        yield chunk


def check(source: Input, fields: Fields) -> None:
    """Raise the one-line error for a file that as a whole cannot be meant: before an engine starts."""
    if source.pipe:
        return
    with inputs.opened(source) as raw:
        first = [item for item in islice(inputs.records(source, raw), PEEK) if isinstance(item, Record)]
    has_text = any(fields.read in item.fields for item in first)
    if first and not has_text and (formats.FORMATS[source.format].columns or len(first) == PEEK):
        raise error("no_text_field", path=source.path, field=fields.read)
    if not fields.overwrite and any(fields.spans in item.fields for item in first):
        raise error("field_taken", path=source.path, field=fields.spans)


def given(item: Record | Bad, fields: Fields) -> Any:
    """The text or the words of a record, or why there are none."""
    if isinstance(item, Bad):
        return item
    if fields.spans in item.fields and not fields.overwrite:
        return Bad(item.number, "spans_field")
    if fields.read not in item.fields:
        return Bad(item.number, "no_field")
    value = item.fields[fields.read]
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
