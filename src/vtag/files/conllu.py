"""CoNLL-U of Universal Dependencies (https://universaldependencies.org/format.html), read by the package conllu."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from vtag.errors import error
from vtag.files.conll import sentences
from vtag.files.records import Bad, Record

# Keys of MISC that have the tag of an entity: NER=B-PER, and Stanza's ner=S-PERSON.
NER = ("NER", "ner", "Ner")


def read(file: BinaryIO, after: int) -> Iterator[Record | Bad]:
    """The sentences after number `after`: `id` (sent_id, if there is one), `text`, `tokens` (syntactic words), `tags`
    (UPOS), `xpos`, `ner` (from MISC, "O" where it has none) and `offsets`, [start, end] of each token in the text.
    """
    try:
        import conllu
    except ImportError as cause:
        raise error("files_missing", what="CoNLL-U") from cause
    for number, lines in enumerate(sentences(file), 1):
        if number <= after:
            continue
        if lines is None:
            yield Bad(number, "not_utf8")
            continue
        if any(line.count("\t") != 9 for line in lines if not line.startswith("#")):
            yield Bad(number, "conllu_columns")
            continue
        try:
            (sentence,) = conllu.parse("\n".join(lines))
            record = _record(number, sentence)
        except (conllu.exceptions.ParseException, ValueError, KeyError, TypeError):
            record = None
        yield record or Bad(number, "not_conllu")


def _record(number: int, sentence: Any) -> Record | None:
    """None without words, or with an empty one."""
    words = [token for token in sentence if isinstance(token["id"], int)]
    if not words or not all(token["form"] for token in words):
        return None
    text, offsets = _places(sentence)
    # "# text" is what was written; it has the spaces that SpaceAfter cannot tell.
    said = sentence.metadata.get("text")
    if said is not None and said != text:
        found = _found(said, offsets, text)
        text, offsets = (said, found) if found else (text, offsets)
    fields: dict[str, Any] = {}
    if (name := sentence.metadata.get("sent_id")) is not None:
        fields["id"] = name
    fields |= {
        "text": text,
        "tokens": [token["form"] for token in words],
        "tags": [token["upos"] or "_" for token in words],
        "xpos": [token["xpos"] or "_" for token in words],
        "ner": [_entity(token["misc"] or {}) for token in words],
        "offsets": offsets,
    }
    return Record(number, fields, size=len(text))


def _entity(misc: dict[str, str | None]) -> str:
    return next((tag for name in NER if (tag := misc.get(name))), "O")


def _places(sentence: Any) -> tuple[str, list[list[int]]]:
    """The text by SpaceAfter, and where each word stands. The words of a multiword token divide it where they spell
    it ("do" + "n't"), else each has all of it.
    """
    text = ""
    offsets: list[list[int]] = []
    waiting: list[str] = []  # the words of a multiword token, until its last one
    until, whole = 0, ""
    for token in sentence:
        at, form = token["id"], token["form"]
        if isinstance(at, tuple):
            if at[1] == "-":
                until, whole, waiting = at[2], form, []
                start = len(text)
                text += whole + _space(token)
            continue  # an empty node stands nowhere
        if at <= until:
            waiting.append(form)
            if at == until:
                offsets += _divided(start, whole, waiting)
            continue
        offsets.append([len(text), len(text) + len(form)])
        text += form + _space(token)
    return text.rstrip(" "), offsets


def _space(token: Any) -> str:
    return "" if (token["misc"] or {}).get("SpaceAfter") == "No" else " "


def _divided(start: int, whole: str, forms: list[str]) -> list[list[int]]:
    if "".join(forms) != whole:
        return [[start, start + len(whole)] for _ in forms]
    found = []
    for form in forms:
        found.append([start, start + len(form)])
        start += len(form)
    return found


def _found(text: str, offsets: list[list[int]], other: str) -> list[list[int]] | None:
    """The places of the words in a text that differs in its white space; None if it differs in more."""
    found: list[list[int]] = []
    at = 0
    before = [-1, -1]
    for start, end in offsets:
        if [start, end] != before:
            form = other[start:end]
            at = text.find(form, at)
            if at < 0:
                return None
            found.append([at, at + len(form)])
            at += len(form)
        else:
            found.append(found[-1])
        before = [start, end]
    return found
