"""Records that are hard to keep, and their way through a writer and back through a reader."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from vtag.files import formats
from vtag.files.records import Bad, Fields, Record, TaggedRecord
from vtag.types import Coverage, Span

SPANS = Fields()
# Emoji, combining marks, line ends of all kinds, right to left, quotes, separators, what looks like a header.
TEXTS = [
    "",
    " ",
    "plain",
    "👩‍👩‍👧 and 🇫🇷",
    "e\u0301 is not é",
    "a\r\nb\nc\rd",
    "\r",
    "\n",
    "مرحبا بالعالم",
    "שלום \u202eabc",
    'say "hi", then; leave\ttab',
    '"',
    "a,b",
    "text",
    "1.50",
    "null",
    "\x00 \x07 \u2028 \u2029 \x85 \ufeff",
    "\ufefffirst",
    "# no comment",
    "北京\u3000東京",
]


def spans_of(text: str) -> list[Span]:
    """A span of each character that is no blank, its score one that needs all digits."""
    places = [i for i, character in enumerate(text) if not character.isspace()]
    return [Span(i, i + 1, f'L-{i % 3}"', 0.1 + i / 7 % 0.9, text[i]) for i in places]


def tagged(record: Record, spans: Sequence[Span] = ()) -> TaggedRecord:
    return TaggedRecord(record, spans, Coverage(7, 1))


def rows_of(texts: Sequence[str]) -> list[TaggedRecord]:
    return [tagged(Record(i, {"id": str(i), "text": text}), spans_of(text)) for i, text in enumerate(texts, 1)]


def encode(name: str, chunks: Sequence[Sequence[TaggedRecord]], folder: Path, fields: Fields = SPANS) -> bytes:
    """The file that a format's writer makes of these chunks."""
    writer = formats.writer(name)(fields)
    parts = [writer.encode(chunk) for chunk in chunks]
    join = formats.joiner(name)
    if join is None:
        return b"".join(parts)
    paths = [folder / f"{i}.part" for i in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(part)
    out = io.BytesIO()
    join(paths, out, fields)
    return out.getvalue()


def decode(name: str, data: bytes, after: int = 0) -> list[Record | Bad]:
    return list(formats.reader(name)(io.BytesIO(data), after))
