"""One record of gold data: its text or words, and its spans or tags, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from vtag.evaluation.overlaps import Found, Triple
from vtag.evaluation.tags import OUTSIDE_TAGS
from vtag.files.records import MISSING, has_surrogate, path_of, value_at

# Names of a span's parts in the formats of vtag, Prodigy, Doccano, Hugging Face and ai4privacy.
STARTS = ("start", "start_offset")
ENDS = ("end", "end_offset")
LABELS = ("label", "entity_group", "entity", "entity_type")
TEXTS = ("text", "value")
# The field with the places of tokens in the text.
OFFSETS = "offsets"

REASONS = {
    "spans_missing": "is missing, and so are tags: name the field with --spans-field or --tags-field",
    "spans_form": "is not a list of [start, end, label], or of objects with start, end and label",
    "span_outside": "has a span outside of the text: count code points from 0, the end exclusive",
    "span_empty": "has a span without characters: count code points from 0, the end exclusive",
    "span_utf8": "has offsets in bytes: count code points",
    "span_utf16": "has offsets in UTF-16 units: count code points",
    "span_text": "has a span whose text is not the one at its offsets: count code points from 0, the end exclusive",
    "looks_utf8": "its offsets look like bytes: count code points (or give each span's text, to show that they are)",
    "looks_utf16": (
        "its offsets look like UTF-16 units: count code points (or give each span's text, to show that they are)"
    ),
    "words_missing": "is missing, but there are tags: name the field of the tokens with --words-field",
    "words_form": "is not a list of strings",
    "words_surrogate": "has a lone surrogate: remove it",
    "words_not_in_text": "are not in the text in this order: give their places in a field offsets, or evaluate words",
    "word_empty": "has an empty token with a tag: give it the tag O, or remove it",
    "tags_missing": "is missing, where other records have tags: keep both kinds apart, or evaluate text",
    "tags_numbers": "has numbers: write the names of the tags",
    "tags_form": "is not a list of strings",
    "tags_length": "has more or fewer tags than there are tokens",
    "tags_scheme": "has a tag without a prefix, where others have one (B-, I-): use one scheme",
    "tags_strict": "has a tag with a prefix that the strict scheme lacks: name another scheme",
    "tags_many": "has more than {most:,} different tags: name the field of the tags with --tags-field",
    "text_missing": "is missing: name the field with --text-field",
    "text_form": "is not a string",
    "text_surrogate": "has a lone surrogate: remove it",
}


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of a record's fields. Words and tags are read where there are tags, else text and spans."""

    text: str = "text"
    words: str = "tokens"
    tags: str = "tags"
    spans: str = "spans"


class RefusedError(Exception):
    """A record that cannot be gold; its arguments are the name of the field and a key of REASONS."""


class Parts(NamedTuple):
    """A record as it was written.

    words, tags: of tags, else None. offsets: where the words stand in `text`. spans: of spans, in order. shown: whether
    the record has the text of each span.
    """

    text: str
    words: list[str] | None
    offsets: list[tuple[int, int]]
    tags: list[str] | None
    spans: list[Triple]
    shown: bool = False


def parts_of(fields: Mapping[str, Any], columns: Columns, *, as_words: bool | None) -> Parts:
    """The parts of a record. Raises RefusedError.

    as_words: whether offsets refer to the words, joined by spaces, and not to the record's text; None: they do where
    there are words.
    """
    if (tags := _value(fields, columns.tags)) is not MISSING and tags is not None:
        return _tagged(fields, columns, tags, as_words=as_words is not False)
    text = _text(fields, columns)
    if text is None:
        raise RefusedError(columns.text, "text_missing")
    spans = _value(fields, columns.spans)
    if spans is MISSING:
        raise RefusedError(columns.spans, "spans_missing")
    return Parts(text, None, [], None, *spans_of(spans, text, columns.spans))


def spans_of(value: Any, text: str, column: str) -> tuple[list[Triple], bool]:
    """The spans in order, each once, and whether each has its text. Raises RefusedError."""
    found, shown = scored_spans(value, text, column)
    return sorted({one[:3] for one in found}), shown


def scored_spans(value: Any, text: str, column: str, *, empty: bool = False) -> tuple[list[Found], bool]:
    """The spans as they come, with their scores, and whether each has its text. Raises RefusedError.

    empty: whether a span may be without characters.
    """
    value = _list(value)
    if value is None:
        raise RefusedError(column, "spans_form")
    found: list[Found] = []
    shown = bool(value)
    for item in value:
        start, end, label, own, score = _span(item, column)
        nothing = empty and 0 <= start == end <= len(text)
        if not nothing and (own is not None or not 0 <= start < end <= len(text)):
            _check(start, end, own, text, column)
        shown &= own is not None
        found.append((start, end, label, score))
    return found, shown


def _tagged(fields: Mapping[str, Any], columns: Columns, tags: Any, *, as_words: bool) -> Parts:
    words = _strings(_value(fields, columns.words))
    if words is MISSING:
        raise RefusedError(columns.words, "words_missing")
    if words is None:
        raise RefusedError(columns.words, "words_form")
    joined = " ".join(words)
    if has_surrogate(joined):
        raise RefusedError(columns.words, "words_surrogate")
    named = _strings(tags)
    if named is None or named is MISSING:
        numbers = all(isinstance(tag, int) for tag in _list(tags) or ["no list"])
        raise RefusedError(columns.tags, "tags_numbers" if numbers else "tags_form")
    if len(named) != len(words):
        raise RefusedError(columns.tags, "tags_length")
    if "" in words and any(not word and tag not in OUTSIDE_TAGS for word, tag in zip(words, named, strict=True)):
        raise RefusedError(columns.words, "word_empty")
    text = None if as_words else _text(fields, columns)
    if text is None:
        return Parts(joined, words, places(words), named, [])
    return Parts(text, words, _offsets(fields, columns, words, text), named, [])


def places(words: Sequence[str]) -> list[tuple[int, int]]:
    """Where words stand that are joined by spaces."""
    found = []
    at = 0
    for word in words:
        found.append((at, at + len(word)))
        at += len(word) + 1
    return found


def _offsets(fields: Mapping[str, Any], columns: Columns, words: list[str], text: str) -> list[tuple[int, int]]:
    """The places of words in the text: of the field `offsets`, of one of pairs with the spans' name, or by search."""
    for column in (OFFSETS, columns.spans):
        value = _list(_value(fields, column))
        if value is None or len(value) != len(words) or not all(_list(pair) and len(pair) == 2 for pair in value):
            continue
        for (start, end), word in zip(value, words, strict=True):
            if not (type(start) is int and type(end) is int):
                raise RefusedError(column, "spans_form")
            # a token may be spelled otherwise than its text ("``" for a quote)
            differs = text[start:end] != word
            _check(start, end, word if differs and _in_units(text, start, end, word) else None, text, column)
        return [(start, end) for start, end in value]
    found = []
    at = 0
    for word in words:
        start = text.find(word, at)
        if start < 0:
            raise RefusedError(columns.words, "words_not_in_text")
        at = start + len(word)
        found.append((start, at))
    return found


def _span(item: Any, column: str) -> tuple[int, int, str, str | None, float | None]:
    """Start, end, label, and the text and the score if the span has them."""
    own: Any = None
    score: Any = None
    if (parts := _list(item)) is not None and len(parts) >= 3:
        start, end, label, *rest = parts
        score = rest[0] if rest else None
    elif isinstance(item, Mapping):
        start, end = _first(item, STARTS), _first(item, ENDS)
        label, own = _first(item, LABELS), _first(item, TEXTS)
        score = item.get("score")
    else:
        raise RefusedError(column, "spans_form")
    if not (type(start) is int and type(end) is int and isinstance(label, str) and label):
        raise RefusedError(column, "spans_form")
    return start, end, label, own if isinstance(own, str) else None, score if isinstance(score, float | int) else None


def _check(start: int, end: int, own: str | None, text: str, column: str) -> None:
    """Whether a span is in the text, and is the text that it says."""
    if own is not None and text[max(start, 0) : max(end, 0)] != own and (unit := _in_units(text, start, end, own)):
        raise RefusedError(column, f"span_{unit}")
    if start < 0 or end > len(text):
        raise RefusedError(column, "span_outside")
    if start >= end:
        raise RefusedError(column, "span_empty")
    if own is not None and text[start:end] != own:
        raise RefusedError(column, "span_text")


def _in_units(text: str, start: int, end: int, own: str) -> str | None:
    """The unit in which a span has its text, if it is not the code point."""
    for unit, encoding in (("utf8", "utf-8"), ("utf16", "utf-16-le")):
        size = 2 if unit == "utf16" else 1
        if text.encode(encoding)[start * size : end * size] == own.encode(encoding):
            return unit
    return None


def _text(fields: Mapping[str, Any], columns: Columns) -> str | None:
    text = _value(fields, columns.text)
    if text is MISSING or text is None:
        return None
    if not isinstance(text, str):
        raise RefusedError(columns.text, "text_form")
    if has_surrogate(text):
        raise RefusedError(columns.text, "text_surrogate")
    return text


def _value(fields: Mapping[str, Any], name: str) -> Any:
    return value_at(fields, path_of(fields, name))


def _list(value: Any) -> list[Any] | None:
    """A list; also as JSON, from a column of CSV."""
    if type(value) is list:
        return value
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return list(value) if isinstance(value, list | tuple) else None


def _strings(value: Any) -> Any:
    """A list of strings, None for anything else, or MISSING."""
    if value is MISSING:
        return MISSING
    found = _list(value)
    return found if found is not None and set(map(type, found)) <= {str} else None


def _first(item: Mapping[str, Any], names: Sequence[str]) -> Any:
    for name in names:
        if name in item:
            return item[name]
    return None
