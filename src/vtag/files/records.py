"""What readers return and writers take, in every format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from vtag.errors import error
from vtag.types import Coverage, Replacement, Span


class Record(NamedTuple):
    """One record of a file.

    number: from 1, its line in JSONL and plain text, its row (without the header) in CSV, TSV and Parquet, its sentence
    in CoNLL.
    fields: its values by name.
    source: what a writer of the same format copies, so that fields stay unchanged: JSONL's line, Parquet's row.
    size: approximate number of characters.
    """

    number: int
    fields: Mapping[str, Any]
    source: Any = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a record that are read and written; `words` is read instead of `text`.

    spans: of spans, or of replacements where the text is redacted; None: neither is written. coverage: None: it is not
    written. overwrite: whether fields that are written may exist before. redacts: whether `text` is written again,
    with another text. drops: fields that are not written again.
    """

    text: str = "text"
    words: str | None = None
    spans: str | None = "spans"
    coverage: str | None = None
    overwrite: bool = False
    redacts: bool = False
    drops: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.spans == self.coverage is not None:
            raise error("fields_equal", field=self.spans)
        if self.redacts and self.text in self.written:
            raise error("text_field_taken", field=self.text)

    @property
    def read(self) -> str:
        """The field that is tagged."""
        return self.text if self.words is None else self.words

    @property
    def written(self) -> list[str]:
        """The fields that are added, in order."""
        return [name for name in (self.spans, self.coverage) if name is not None]

    @property
    def left_out(self) -> list[str]:
        """The fields of the input that are not copied."""
        return [*self.written, *self.drops]


class Bad(NamedTuple):
    """A record that cannot be read or tagged; `reason` is a key of REASONS."""

    number: int
    reason: str


# Why a record was not tagged, without any of its text.
REASONS = {
    "not_utf8": "not UTF-8",
    "not_json": "not JSON",
    "not_object": "JSON, but not an object",
    "bad_row": "unclosed quotes, or text after a closing quote",
    "columns": "more or fewer fields than the header",
    "conll_columns": "a line has more or fewer columns than the first line of the file",
    "conllu_columns": "a line has not the 10 columns of CoNLL-U, with tabs between them",
    "not_conllu": "not CoNLL-U: a column cannot be read, or there is no word",
    "no_field": "the text's field is missing",
    "not_a_string": "the text is not a string",
    "not_words": "the words are not a list of strings",
    "lone_surrogate": "a lone surrogate",
    "spans_field": "already has a field with the name of the one for spans or coverage",
    "new_field": "has a field that is not, or cannot be, in the output's header",
    "not_for_tsv": "a tab or a line end in a field, which TSV cannot hold: write another format",
    "kills_process": "kills the process that tags it",
    "no_offsets": "the tokenizer's tokens do not spell the text",
    "tokenizer_fails": "the model's tokenizer fails on it",
    "id_outside": "has a token outside of the model's vocabulary",
    "no_context": "the field of the policy's context is missing",
    "spans_beside": "has spans with their texts in another field: redact it before it is tagged",
    "not_redactable": "no fakes or numbers could be told from its text",
    "token_refused": "has a token of another key, or one that was changed",
}


class DamagedError(Exception):
    """A file cannot be read any further."""


class TaggedRecord(NamedTuple):
    """A record, its spans or, if its text is redacted, the replacements, and how its text was read.

    mapping: placeholders of the new text -> the values that they replace.
    """

    record: Record
    spans: Sequence[Span] | Sequence[Replacement]
    coverage: Coverage
    mapping: Mapping[str, str] | None = None


class Writer(Protocol):
    """Converts rows to the bytes of one chunk of a file."""

    def refuses(self, record: Record) -> str | None:
        """Why the format cannot hold this record with all its fields: a key of REASONS; else None."""

    def encode(self, rows: Sequence[TaggedRecord]) -> bytes:
        """The bytes of these rows, to follow those of the rows before."""

    def empty(self, columns: Mapping[str, Any]) -> bytes:
        """The bytes of a file without rows; columns: the names of its fields, with Arrow types where they exist."""


MISSING = object()


def path_of(fields: Mapping[str, Any], name: str) -> list[str]:
    """The names that lead to a field: "data.text" is `text` in `data`, unless a field is called so."""
    return [name] if name in fields else name.split(".")


def value_at(fields: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value at a path of names, or MISSING."""
    found: Any = fields
    for part in path:
        if not isinstance(found, Mapping) or part not in found:
            return MISSING
        found = found[part]
    return found


def has_surrogate(text: str) -> bool:
    """Whether the text has a lone surrogate, which neither UTF-8 nor a tokenizer accepts."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
