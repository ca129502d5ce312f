"""JSON whose records are the elements of one array, however it is laid out; or objects one after another.

The file is read in pieces, and an element is cut out by its brackets alone, so that a broken one costs itself, and
what is not ours is written again as it was: a number keeps its digits, a string its escapes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from vtag.files.jsonl import BLANK, parsed
from vtag.files.records import Bad, DamagedError, Record, has_surrogate

READ = 1 << 16  # characters at once, to begin with
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},"]', re.DOTALL)
_LINE_END = re.compile(r"[\r\n][ \t\r\n]*")


def read(file: BinaryIO, after: int) -> Iterator[Record | Bad]:
    """The records after element `after`, counted from 1."""
    # Bytes that are no UTF-8 become lone surrogates, so that only their own element is lost.
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        for number, element in enumerate(elements(text), 1):
            if number > after:
                yield Bad(number, "not_utf8") if has_surrogate(element) else parsed(number, element)
    finally:
        text.detach()


def elements(file: io.TextIOBase) -> Iterator[str]:
    """What stands between the commas of an array, or the brackets of each value where there is no array, on one line.

    Raises DamagedError for an array that does not end, or that something follows.
    """
    held, size = "", READ
    begin = at = depth = 0
    array: bool | None = None  # not known yet
    ended = False
    while more := file.read(size):
        held, begin, at = held[begin:] + more, 0, at - begin
        if array is None and held.strip(BLANK):
            array = held.lstrip(BLANK).startswith("[")
        for token in () if ended else _TOKEN.finditer(held, at):
            sign = token[0]
            if sign == '"':  # of a string that goes on
                break
            at = token.end()
            if sign in "[{":
                depth += 1
                if array and depth == 1:
                    begin = at
            elif sign in "]}":
                depth = max(depth - 1, 0)
            ended = bool(array) and depth == 0 and sign != ","
            between = depth == 1 and sign == "," if array else depth == 0 and sign in "]}"
            if ended or between:
                element = _one_line(held[begin : at - bool(array)])
                begin = at
                if element or between:
                    yield element
            if ended:
                break
        else:
            at = len(held)
        if ended and held[begin:].strip(BLANK):
            raise DamagedError
        size = max(READ, len(held) - begin)
    if array and not ended:
        raise DamagedError
    if not array and (rest := _one_line(held[begin:])):
        yield rest


def _one_line(element: str) -> str:
    """JSON has line ends between its words alone, not in strings."""
    return _LINE_END.sub(" ", element).strip(BLANK)
