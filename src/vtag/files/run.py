"""Tag the records of files into one file, exactly once each, however often the work is stopped.

Works chunk by chunk: records in, spans, bytes out. A chunk's bytes are on disk before the journal says so, and chunks
that the journal does not know are tagged again. Requests hold windows of one chunk only, so the bytes are the same
again.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, astuple, replace
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from vtag.errors import InputError, error
from vtag.files import chunks, inputs
from vtag.files.chunks import Chunk
from vtag.files.commit import Target
from vtag.files.inputs import Input
from vtag.files.journal import State
from vtag.files.records import REASONS, Bad, Fields, Record, TaggedRecord
from vtag.options import DEFAULT_STRATEGY, BoundOptions, TagOptions
from vtag.system.garbage import infrequent_gc
from vtag.tagger import Tagger
from vtag.types import ChunkAnswers, Coverage, Span

if TYPE_CHECKING:
    from vtag.engine.llm import LLM
    from vtag.model.plan import Plan


class Tags(Protocol):
    """Anything that tags chunks: an `LLM`, or a cluster of them."""

    tagger: Tagger

    def identity(self) -> dict[str, str]:
        """What its answers depend on, by name."""

    def answers(
        self, chunks: Iterable[Sequence[Any]], options: BoundOptions, *, words: bool
    ) -> Generator[ChunkAnswers]:
        """For each chunk the answers and how its texts were read. Chunks may be read ahead."""


# Called with the state and with the share of the input that was read, from 0 to 1 (None if unknown).
Watch = Callable[[State, float | None], None]


def tag_files(
    model: str | Path | Tags,
    sources: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    delimiter: str | None = None,
    text_field: str = "text",
    words_field: str | None = None,
    spans_field: str = "spans",
    coverage_field: str | None = None,
    overwrite_field: bool = False,
    aggregation_strategy: str = DEFAULT_STRATEGY,
    ignore_labels: Sequence[str] = ("O",),
    threshold: float | Mapping[str, float] | None = None,
    stride: int | None = None,
    strict: bool = False,
    restart: bool = False,
    watch: Watch | None = None,
    **engine: Any,
) -> State:
    """Tag every record of some files into one file; the same call continues an earlier one that was stopped.

    Next to the output are its journal (`.journal`) and, if records could not be tagged, `.errors.jsonl` with the file,
    number and reason of each. There is no journal if the input is a pipe or the output is stdout ("-").

    Args:
        model: a model as in `LLM`, an LLM, or a `vtag.integrations.ray.Cluster`.
        sources: files, folders, globs or "-".
        output: a file whose extension tells its format, or "-" (JSON Lines; records that failed go to stderr).
        format: format of the inputs, if their extensions do not tell.
        delimiter: between the fields of CSV, if its header and first rows do not tell.
        text_field: the field with the text; "data.text" is the field `text` of the record in `data`.
        words_field: the field with the text's words, instead.
        spans_field: the field for the spans; an input with such a field is refused unless `overwrite_field`.
        coverage_field: a field for how each text was read: its tokens and windows, and that it was read to its end.
        overwrite_field: replace fields of the input that have the names of new ones.
        aggregation_strategy: as in `LLM.tag`.
        ignore_labels: as in `LLM.tag`.
        threshold: as in `LLM.tag`.
        stride: as in `LLM.tag`.
        strict: stop at the first record that cannot be tagged.
        restart: discard what an earlier run has written to this output.
        watch: called before the engine starts and after each chunk, with the state and the share of the input read.
        engine: arguments of `LLM`.

    Returns:
        The last state: records, failures, tokens, seconds of work, spans by label.

    Raises:
        VtagError: for what ends the run; committed chunks are safe.
    """
    asked = TagOptions(aggregation_strategy, ignore_labels, threshold, stride)
    fields = Fields(text_field, words_field, spans_field, coverage_field, overwrite_field)
    return run_files(
        model,
        sources,
        output,
        fields,
        lambda tagger: Treatment(tagger.bind(asked)),
        format=format,
        delimiter=delimiter,
        strict=strict,
        restart=restart,
        watch=watch,
        **engine,
    )


def _tagged(record: Record, text: Any, spans: list[Span], coverage: Coverage) -> TaggedRecord:
    return TaggedRecord(record, spans, coverage)


class Treatment(NamedTuple):
    """What is done with the records.

    options: how they are tagged. row: what is written of a record, from its text (or words), its spans and how it was
    read; raises InputError for a record that cannot be written. depends_on: what else the output depends on. begin:
    called with the state from which the work goes on. strictly: the error of a bad record that ends the run.
    """

    options: BoundOptions
    row: Callable[[Record, Any, list[Span], Coverage], TaggedRecord] = _tagged
    depends_on: Mapping[str, str] = MappingProxyType({})
    begin: Callable[[State], None] = lambda state: None
    strictly: str = "bad_record"


def run_files(
    model: str | Path | Tags,
    sources: str | Path | Sequence[str | Path],
    output: str | Path,
    fields: Fields,
    treatment: Callable[[Tagger], Treatment],
    *,
    mapping: str | Path | None = None,
    reads: Iterable[str | Path] = (),
    format: str | None = None,  # noqa: A002
    delimiter: str | None = None,
    strict: bool = False,
    restart: bool = False,
    watch: Watch | None = None,
    **engine: Any,
) -> State:
    """As `tag_files`, with what is done with each record.

    treatment: called with the model's tagger before the engine starts. mapping: a file for the mappings of the rows.
    reads: files that the work needs beside its inputs, so that they cannot be written.
    """
    if engine and not isinstance(model, str | Path):
        raise error("engine_is_made", names=", ".join(engine))
    paths = [sources] if isinstance(sources, str | Path) else sources
    with ExitStack() as stack:
        target = stack.enter_context(Target(str(output), fields, mapping))
        needed = {Path(path).resolve() for path in reads}
        for file in target.files:
            if file.resolve() in needed:
                raise error("input_is_output", path=file)
        found = inputs.find([str(source) for source in paths], format, target.files, delimiter)
        chunks.check(found, fields)
        depends_on: Callable[[], dict[str, str]]
        if isinstance(model, str | Path):
            from vtag.model.identity import identity
            from vtag.model.plan import make_plan

            plan = make_plan(model, **engine)
            tagger, depends_on = plan.tagger, lambda: identity(plan)
        else:
            tagger, depends_on = model.tagger, model.identity
        work = treatment(tagger)
        key = None
        if target.resumes and not any(source.pipe for source in found):
            key = _key(found, fields, work.options) | dict(work.depends_on) | depends_on()
            if mapping is not None:
                key["mapping"] = os.path.relpath(mapping, Path(output).parent)
        watch = watch or (lambda state, share: None)
        watch(target.open(key, restart=restart), None)
        if not target.state.done:
            llm: Tags = stack.enter_context(_start(plan)) if isinstance(model, str | Path) else model
            stack.enter_context(infrequent_gc())
            _work(llm, found, fields, work, target, strict, watch)
    return target.state


def _work(
    llm: Tags,
    sources: Sequence[Input],
    fields: Fields,
    work: Treatment,
    target: Target,
    strict: bool,
    watch: Watch,
) -> None:
    """Tag chunk by chunk. While the engine runs one, this thread writes the last and reads the next."""
    state = target.state
    work.begin(state)
    start, before = time.monotonic(), state.seconds
    ahead: deque[Chunk] = deque()

    def texts() -> Iterator[list[Any]]:
        for chunk in chunks.read(sources, state.file, state.record, fields):
            ahead.append(chunk)
            yield chunk.texts

    with closing(llm.answers(texts(), work.options, words=fields.words is not None)) as answered:
        for answers, coverage, tokens in answered:
            chunk = ahead.popleft()
            rows: list[TaggedRecord] = []
            bad = chunk.bad
            for (file, record), text, spans, covered in zip(chunk.records, chunk.texts, answers, coverage, strict=True):
                try:
                    if isinstance(spans, InputError):
                        raise spans
                    row = work.row(record, text, spans, covered)
                except InputError as refused:
                    bad.append((file, Bad(record.number, refused.kind)))
                    continue
                if (reason := target.writer.refuses(row.record)) is not None:
                    bad.append((file, Bad(record.number, reason)))
                else:
                    rows.append(row)
            errors = [
                {"file": sources[file].path, "record": record.number, "reason": REASONS[record.reason]}
                for file, record in sorted(bad)
            ]
            if strict and errors:
                raise error(work.strictly, path=errors[0]["file"], **errors[0])
            state = replace(
                state,
                file=chunk.file,
                record=chunk.record,
                records=state.records + len(rows) + len(bad),
                failures=state.failures + len(bad),
                tokens=state.tokens + tokens,
                seconds=before + time.monotonic() - start,
                labels=dict(Counter(state.labels) + Counter(span.label for row in rows for span in row.spans)),
            )
            state = target.commit(state, rows, errors)
            watch(state, chunk.share)
    target.finish(lambda: inputs.columns(sources))


def _start(plan: Plan) -> LLM:
    from vtag.engine.llm import LLM

    return LLM.of(plan)


def _key(sources: Sequence[Input], fields: Fields, options: TagOptions) -> dict[str, str]:
    """What the output depends on besides the model: a run continues only if all of it is unchanged."""
    names = ("text_field", "words_field", "spans_field", "coverage_field", "overwrite_field", "redacts", "drops")
    key = {"input": inputs.fingerprint(sources), **dict(zip(names, map(str, astuple(fields)), strict=True))}
    key |= {name: json.dumps(value, sort_keys=True, default=str) for name, value in asdict(options).items()}
    for package in ("pyarrow", "zstandard"):
        try:
            key[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return key
