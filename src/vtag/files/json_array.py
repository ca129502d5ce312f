"""JSON whose records are the elements of one array, in any layout; or consecutive objects.

The file is read in pieces, and elements are found by their brackets alone, so that a broken one affects only itself,
and fields that vtag does not read are written unchanged: a number keeps its digits, a string its escapes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from vtag.files.jsonl import BLANK, parsed
from vtag.files.records import Bad, DamagedError, Record, has_surrogate

READ = 1 << 16  # characters at once, at first
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},"]', re.DOTALL)
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1, ",": 0, "": 0}  # how each sign changes the depth
_LINE_END = re.compile(r"[\r\n][ \t\r\n]*")


def read(file: BinaryIO, after: int) -> Iterator[Record | Bad]:
    """The records after element `after`, counted from 1."""
    # Bytes that are not UTF-8 become lone surrogates, so that only their own element fails.
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        for number, element in enumerate(elements(text), 1):
            if number > after:
                yield Bad(number, "not_utf8") if has_surrogate(element) else parsed(number, element)
    finally:
        text.detach()


def elements(file: io.TextIOBase) -> Iterator[str]:
    """The elements of an array, or consecutive values where there is no array, each on one line.

    Raises DamagedError for an array that does not end, or that is followed by more.
    """
    parts = _cut(file)
    before, sign = next(parts)
    if sign == "[" and not before.strip(BLANK):
        return _of_array(parts)
    return _one_after_another(chain([(before, sign)], parts))


def _of_array(parts: Iterator[tuple[str, str]]) -> Iterator[str]:
    """The parts between the commas, after the bracket that opens the array."""
    element, depth = "", 0
    for text, sign in parts:
        element += text
        depth += _STEP[sign]
        if depth == 0 and sign == ",":
            yield _one_line(element)
            element = ""
        elif depth < 0:
            if last := _one_line(element):
                yield last
            if any(text.strip(BLANK) or sign for text, sign in parts):
                raise DamagedError
            return
        else:
            element += sign
    raise DamagedError


def _one_after_another(parts: Iterator[tuple[str, str]]) -> Iterator[str]:
    """The parts that end with the bracket that closes their first one, and the rest."""
    element, depth = "", 0
    for text, sign in parts:
        element += text + sign
        depth = max(depth + _STEP[sign], 0)
        if depth == 0 and sign in ("]", "}"):
            yield _one_line(element)
            element = ""
    if rest := _one_line(element):
        yield rest


def _cut(file: io.TextIOBase) -> Iterator[tuple[str, str]]:
    """The text before each bracket and comma outside of strings, and that sign; at the end the rest, and ""."""
    held, size = "", READ
    while more := file.read(size):
        held += more
        done = 0
        for token in _TOKEN.finditer(held):
            sign = token[0]
            if sign == '"':  # the string continues
                break
            if sign in _STEP:
                yield held[done : token.start()], sign
                done = token.end()
        held = held[done:]
        size = max(READ, len(held))  # never scan again more than what is new
    yield held, ""


def _one_line(element: str) -> str:
    """The value on one line: JSON has line ends only outside of strings."""
    return _LINE_END.sub(" ", element).strip(BLANK)
