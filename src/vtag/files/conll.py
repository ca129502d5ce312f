"""CoNLL: a token a line with its columns, a blank line after each sentence.

The first column has the tokens, the last one their tags. Columns are separated by tabs, or by spaces where a line has
no tab. Lines of `-DOCSTART-`, and comments before a sentence, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from vtag.files.records import Bad, Record

_SPACES = re.compile("[ \t]+")
# "# id 1234 domain=en" (MultiCoNER), "# sent_id = 7"
_COMMENT = re.compile("#[ \t]+(id[ \t]|[^ \t]+[ \t]*=)")
DOCUMENT = "-DOCSTART-"


def read(file: BinaryIO, after: int) -> Iterator[Record | Bad]:
    """The sentences after number `after`: `text` (the tokens, joined by spaces), `tokens`, and `tags` if there is a
    second column. Columns between are lists called "column 2" and so on.
    """
    width = 0
    number = 0
    for lines in sentences(file):
        if lines is None:
            rows = None
        else:
            rows = [_columns(line) for line in _without_comments(lines) if not line.startswith(DOCUMENT)]
            if not rows:
                continue
            width = width or len(rows[0])
        number += 1
        if number <= after:
            continue
        if rows is None:
            yield Bad(number, "not_utf8")
        elif any(len(row) != width for row in rows):
            yield Bad(number, "conll_columns")
        else:
            yield _record(number, rows)


def sentences(file: BinaryIO) -> Iterator[list[str] | None]:
    """The lines of each sentence; None for one that is not UTF-8."""
    lines: list[str] | None = []
    started = False
    for number, raw in enumerate(file, 1):
        line = raw.rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf" if number == 1 else b"")
        if not line.strip(b" \t"):
            if started:
                yield lines
            lines, started = [], False
            continue
        started = True
        if lines is not None:
            try:
                lines.append(line.decode())
            except UnicodeDecodeError:
                lines = None
    if started:
        yield lines


def _without_comments(lines: list[str]) -> list[str]:
    """A token may be "#" or start with it: a comment stands before the tokens, and looks like one or has another
    number of columns than the last line.
    """
    width = len(_columns(lines[-1]))
    first = 0
    while first < len(lines) and lines[first].startswith("#"):
        if not (_COMMENT.match(lines[first]) or len(_columns(lines[first])) != width):
            break
        first += 1
    return lines[first:]


def _columns(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else _SPACES.split(line.strip(" "))


def _record(number: int, rows: list[list[str]]) -> Record:
    tokens, *columns = map(list, zip(*rows, strict=True))
    text = " ".join(tokens)
    fields: dict[str, str | list[str]] = {"text": text, "tokens": tokens}
    fields |= {f"column {at}": column for at, column in enumerate(columns[:-1], 2)}
    if columns:
        fields["tags"] = columns[-1]
    return Record(number, fields, size=len(text))
