"""Redact the texts of files into one file, exactly once each: the work of `tag_files`, with another row at its end.

The spans go through the policy where the output is written. So the key stays in this process, with a cluster too.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vtag.errors import input_error
from vtag.files.journal import State
from vtag.files.jsonl import with_value
from vtag.files.records import MISSING, Fields, Record, TaggedRecord, path_of, value_at
from vtag.files.run import Tags, Treatment, Watch, run_files
from vtag.redact import policy as policies
from vtag.redact.policy import PolicySource
from vtag.redact.text import Redactor
from vtag.tagger import Tagger
from vtag.types import Coverage, Span

REPLACEMENTS = "replacements"


def redact_files(
    model: str | Path | Tags,
    sources: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    policy: PolicySource = None,
    mapping: str | Path | None = None,
    format: str | None = None,  # noqa: A002
    delimiter: str | None = None,
    text_field: str = "text",
    replacements_field: str = REPLACEMENTS,
    coverage_field: str | None = None,
    overwrite_field: bool = False,
    strict: bool = False,
    restart: bool = False,
    watch: Watch | None = None,
    **engine: Any,
) -> State:
    """Redact the texts of some files into one file; the same call continues an earlier one that was stopped.

    The text's field gets the new text, and another one what was replaced, without values; all other fields are copied.
    A record that fails is not written.

    Args:
        model: as in `tag_files`.
        sources: as in `tag_files`.
        output: as in `tag_files`.
        policy: as in `LLM.redact`; its context is a field of each record.
        mapping: a file for the values of numbers and fakes, for the way back: JSON Lines, a line a record that is
            written, with mode 0600. Keep it apart from the output.
        format: as in `tag_files`.
        delimiter: as in `tag_files`.
        text_field: as in `tag_files`.
        replacements_field: the field for what was replaced: its place in the new and the old text (code points), label
            and action.
        coverage_field: as in `tag_files`.
        overwrite_field: as in `tag_files`.
        strict: as in `tag_files`.
        restart: as in `tag_files`.
        watch: as in `tag_files`.
        engine: as in `tag_files`.

    Returns:
        The last state, as `tag_files`.

    Raises:
        VtagError: for what ends the run; committed chunks are safe.
    """
    checked = policies.load(policy)
    fields = Fields(text_field, None, replacements_field, coverage_field, overwrite_field, redacts=True)

    def treatment(tagger: Tagger) -> Treatment:
        redactor = Redactor.for_model(checked, tagger.names.of_spans)

        def row(record: Record, text: str, spans: list[Span], coverage: Coverage) -> TaggedRecord:
            if "spans" not in fields.written and _has_texts(record.fields.get("spans")):
                raise input_error("spans_beside")
            redacted = redactor.redact(text, spans, _context(record, checked.context))
            written = with_text(record, text_field, redacted.text)
            return TaggedRecord(written, redacted.replacements, coverage, redacted.mapping)

        return Treatment(tagger.bind(redactor.options), row, redactor.identity)

    return run_files(
        model,
        sources,
        output,
        fields,
        treatment,
        mapping=mapping,
        reads=policies.files(policy, checked),
        format=format,
        delimiter=delimiter,
        strict=strict,
        restart=restart,
        watch=watch,
        **engine,
    )


def with_text(record: Record, name: str, text: str) -> Record:
    """The record with another text in a field that it has."""
    number, fields, source, size = record
    path = path_of(fields, name)
    if isinstance(source, str):
        source = with_value(source, path, text)
    new: Any = text
    for depth in range(len(path) - 1, 0, -1):
        new = {**value_at(fields, path[:depth]), path[depth]: new}
    # Other columns of Parquet are not converted.
    fields = {**fields, path[0]: new} if isinstance(fields, dict) else ChainMap({path[0]: new}, fields)  # type: ignore[arg-type]
    return Record(number, fields, source, size)


def _has_texts(value: Any) -> bool:
    """Whether a field has spans as `vtag run` writes them, with their texts."""
    if isinstance(value, str):  # a column of CSV
        return value.startswith('[{"start": ')
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping) and "text" in value[0]


def _context(record: Record, name: str | None) -> str:
    """The value of the policy's context; raises InputError for a record without it."""
    if name is None:
        return ""
    value = value_at(record.fields, path_of(record.fields, name))
    if value is MISSING or value is None:
        raise input_error("no_context")
    return str(value)
