"""What is evaluated: a model, or predictions of a file or of memory. Each answers the records of the gold, in order."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from operator import lt
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from vtag.errors import InputError, VtagError, error
from vtag.evaluation import tags
from vtag.evaluation.gold import Gold
from vtag.evaluation.gold_record import REASONS, Columns, RefusedError, scored_spans
from vtag.evaluation.overlaps import Found
from vtag.files import inputs, records
from vtag.files.chunks import RECORDS, SIZE
from vtag.files.records import MISSING, Bad, Record, path_of, value_at
from vtag.options import BoundOptions
from vtag.text.batching import BatchFill
from vtag.types import ChunkAnswers, Span

if TYPE_CHECKING:
    from vtag.engine.llm import LLM
    from vtag.tagger import Tagger

# The name of a label under a label map, "" for one that is left out; None: all keep their names.
Rename = Callable[[str], str] | None
# A file, or for each record in order its spans.
Source = str | Path | Sequence[Iterable[Span | Mapping[str, Any] | Sequence[Any]]]


class Row(NamedTuple):
    """A record, and what each system found in it: spans in order, None if it has no answer."""

    gold: Gold
    found: tuple[list[Found] | None, ...]


Rows = Iterator[Row]
# Adds one system's answers to the rows.
Stage = Callable[[Rows], Rows]


class Tags(Protocol):
    """An `LLM`, or anything that tags chunks."""

    def answers(
        self, chunks: Iterable[Sequence[Any]], options: BoundOptions, *, words: bool
    ) -> Generator[ChunkAnswers]:
        """For each chunk the answers."""


def tagged(llm: Tags, options: BoundOptions, rename: Rename) -> Stage:
    """The stage of a model. Chunks are those of `tag_files`, so that spans are the same."""

    def stage(rows: Rows) -> Rows:
        first = next(rows, None)
        if first is None:
            return
        as_words = first.gold.words is not None
        ahead: deque[list[Row]] = deque()

        def texts() -> Iterator[list[Any]]:
            for chunk in _chunks(chain([first], rows)):
                ahead.append(chunk)
                yield [row.gold.text if row.gold.words is None else row.gold.words for row in chunk]

        with closing(llm.answers(texts(), options, words=as_words)) as answered:
            for answers, _, _ in answered:
                for row, answer in zip(ahead.popleft(), answers, strict=True):
                    found = None if isinstance(answer, InputError) else renamed(_found(answer), rename)
                    yield Row(row.gold, (*row.found, found))

    return stage


def first_subwords(llm: LLM, options: BoundOptions, rename: Rename, strict: str | None) -> Stage:
    """The stage of a model whose words get the most probable label of their first sub-word, as scripts for training
    evaluate (run_ner.py of transformers). Entities are read by conlleval's rules, or strictly. The gold has words.
    """

    def stage(rows: Rows) -> Rows:
        tagger = llm.tagger
        read = _reading_of(tagger, strict)
        for chunk in _chunks(rows):
            batch = tagger.prepare([row.gold.words for row in chunk], words=True)
            of_texts = tagger.probabilities(batch, llm.run(batch.windows))
            for at, (row, encoding, chances) in enumerate(zip(chunk, batch.encodings, of_texts, strict=True)):
                if at in batch.errors:
                    yield Row(row.gold, (*row.found, None))
                    continue
                labels, scores = ["O"] * len(row.gold.offsets), [1.0] * len(row.gold.offsets)
                words, firsts = np.unique(encoding.word_ids, return_index=True)
                for word, first in zip(words.tolist(), firsts.tolist(), strict=True):
                    if word >= 0:
                        best = int(chances[first].argmax())
                        labels[word], scores[word] = tagger.names.labels[best], float(chances[first, best])
                found: list[Found] = [
                    (
                        row.gold.offsets[first][0],
                        row.gold.offsets[end - 1][1],
                        kind,
                        sum(scores[first:end]) / (end - first),
                    )
                    for kind, first, end in read.entities(labels)
                ]
                found = [one for one in found if (one[3] or 0) >= options.least(one[2])]
                yield Row(row.gold, (*row.found, renamed(found, rename)))

    return stage


def _reading_of(tagger: Tagger, strict: str | None) -> tags.Reading:
    """What the labels of a model mean."""
    names, scheme = tagger.names, tagger.scheme
    if strict is not None:
        strictly = tags.reading(names.labels, strict)
        if strictly.strange:
            raise error(
                "strict_model", scheme=strict, prefixes=", ".join(sorted({label[:1] for label in strictly.strange}))
            )
        return strictly
    pairs = [
        (prefix, kind) if kind else tags.OUTSIDE for prefix, kind in zip(scheme.prefixes, names.types, strict=True)
    ]
    return tags.Reading(scheme.name, {"O": tags.OUTSIDE, **dict(zip(names.labels, pairs, strict=True))})


def _chunks(rows: Rows) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    filling = BatchFill(RECORDS, SIZE)
    for row in rows:
        chunk.append(row)
        if filling.add(len(row.gold.text if row.gold.words is None else row.gold.words)):
            yield chunk
            chunk = []
            filling.clear()
    if chunk:
        yield chunk


def _found(spans: Sequence[Span]) -> list[Found]:
    found: list[Found] = [(span.start, span.end, span.label, span.score) for span in spans]
    return found


def renamed(found: list[Found], rename: Rename) -> list[Found]:
    """The spans under their names, in order, each once, with its highest score; without labels that are left out."""
    if rename is None:
        places = [one[:3] for one in found]
        if all(map(lt, places, places[1:])):
            return found
    best: dict[tuple[int, int, str], float | None] = {}
    for start, end, label, score in found:
        if name := label if rename is None else rename(label):
            place = start, end, name
            before = best.get(place)
            best[place] = score if before is None or (score is not None and score > before) else before
    return [(*place, best[place]) for place in sorted(best)]


class Spool:
    """Rows that were all made before the first one is read again: so a model's engine ends before the next one starts.

    Answers wait in an unnamed temporary file, without texts.
    """

    def __init__(self, rows: Rows, golds: Iterable[Gold]) -> None:
        self._golds = golds
        self._file = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        for row in rows:
            self._file.write(json.dumps(row.found) + "\n")

    def __enter__(self) -> Rows:
        self._file.seek(0)
        for_gold = zip(self._golds, self._file, strict=True)
        return (Row(gold, tuple(map(_loaded_spans, json.loads(line)))) for gold, line in for_gold)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _loaded_spans(found: list[list[Any]] | None) -> list[Found] | None:
    return None if found is None else [(start, end, label, score) for start, end, label, score in found]


class Predictions:
    """Spans that were found before: a file, as `vtag run` writes it, or any other that gold could be; or the spans of
    each record, in order.

    A record of a file belongs to the next gold record with its text (or its words); gold records between them have no
    answer. Without texts, and in memory, the first belongs to the first, and there must be as many.
    """

    def __init__(self, source: Source, columns: Columns, strict: str | None = None) -> None:
        self.source, self.columns, self._strict = source, columns, strict
        self.name = Path(source).name if isinstance(source, str | Path) else "predictions"
        self.paths = [Path(one.path) for one in inputs.find([str(source)])] if isinstance(source, str | Path) else []
        self._reading: tags.Reading | None = None

    def stage(self, rename: Rename) -> Stage:
        """The stage of these predictions."""
        return lambda rows: self._rows(rows, rename)

    def as_words(self) -> bool | None:
        """Whether the offsets refer to words joined by spaces; None if no record shows it."""
        for _, record in self._records():
            if self._tags(record) is not None:
                return True
            spans = _loaded(value_at(record.fields, path_of(record.fields, self.columns.spans)))
            if isinstance(spans, list) and spans:
                return isinstance(spans[0], Mapping) and "words" in spans[0]
        return None

    def _rows(self, rows: Rows, rename: Rename) -> Rows:
        number, by_text = 0, False
        for path, record in self._records():
            number += 1
            given = _text(record.fields, self.columns)
            by_text = given is not None
            for row in rows:
                if _same(given, row.gold):
                    found = renamed(self._spans(path, record, row.gold), rename)
                    yield Row(row.gold, (*row.found, found))
                    break
                yield Row(row.gold, (*row.found, None))
            else:
                raise error("no_prediction", path=path, record=record.number)
        for row in rows:
            if not by_text:
                raise error("few_predictions", path=self.name, found=number)
            yield Row(row.gold, (*row.found, None))

    def _records(self) -> Iterator[tuple[str, Record]]:
        if not isinstance(self.source, str | Path):
            for number, spans in enumerate(self.source, 1):
                yield self.name, Record(number, {self.columns.spans: list(map(_plain, spans))})
            return
        for source in inputs.find([str(self.source)]):
            with inputs.opened(source) as raw:
                for record in inputs.records(source, raw):
                    if isinstance(record, Bad):
                        reason = records.REASONS[record.reason]
                        raise error("bad_gold_record", path=source.path, record=record.number, reason=reason)
                    yield source.path, record

    def _tags(self, record: Record) -> list[str] | None:
        """The tags of a record without spans."""
        value = _loaded(value_at(record.fields, path_of(record.fields, self.columns.tags)))
        spans = value_at(record.fields, path_of(record.fields, self.columns.spans))
        if spans is not MISSING or not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
            return None
        return value

    def _read_tags(self) -> tags.Reading:
        """What the tags of the whole file mean."""
        if self._reading is None:
            found = (tag for _, record in self._records() for tag in self._tags(record) or ())
            self._reading = tags.reading(found, self._strict)
        return self._reading

    def _spans(self, path: str, record: Record, gold: Gold) -> list[Found]:
        """The spans of a record, checked against the gold's text."""
        try:
            if gold.words is not None and (given := self._tags(record)) is not None:
                if len(given) != len(gold.words):
                    raise RefusedError(self.columns.tags, "tags_length")
                read, at = self._read_tags(), gold.offsets
                if not read.strange.isdisjoint(given):
                    raise RefusedError(self.columns.tags, "tags_strict" if read.strict else "tags_scheme")
                return [(at[first][0], at[end - 1][1], kind, None) for kind, first, end in read.entities(given)]
            value = _loaded(value_at(record.fields, path_of(record.fields, self.columns.spans)))
            if value is MISSING:
                raise RefusedError(self.columns.spans, "spans_missing")
            value = [_by_words(item, gold) for item in value] if gold.words and isinstance(value, list) else value
            return scored_spans(value, gold.text, self.columns.spans, empty=True)[0]
        except RefusedError as refused:
            column, reason = refused.args
            raise _bad(path, record.number, column, reason) from None


def _bad(path: str, record: int, column: str, reason: str) -> VtagError:
    return error("bad_prediction", path=path, record=record, column=column, reason=REASONS[reason])


def _loaded(value: Any) -> Any:
    """A column of CSV has JSON."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _plain(span: Span | Mapping[str, Any] | Sequence[Any]) -> Any:
    return span.to_dict() if isinstance(span, Span) else span


def _by_words(item: Any, gold: Gold) -> Any:
    """A span of words, at its place in the gold's text."""
    if not isinstance(item, Mapping) or gold.words is None or not isinstance(words := item.get("words"), list):
        return item
    known = len(words) == 2 and all(isinstance(at, int) for at in words) and 0 <= words[0] < words[1] <= len(gold.words)
    if not known:
        raise RefusedError("words", "span_outside")
    return {**item, "start": gold.offsets[words[0]][0], "end": gold.offsets[words[1] - 1][1]}


def _text(fields: Mapping[str, Any], columns: Columns) -> tuple[Any, Any] | None:
    """The text and the words of a record, as far as it has them; None without either."""
    text = value_at(fields, path_of(fields, columns.text))
    words = _loaded(value_at(fields, path_of(fields, columns.words)))
    if text is MISSING and words is MISSING:
        return None
    return text, words


def _same(given: tuple[Any, Any] | None, gold: Gold) -> bool:
    if given is None:
        return True
    text, words = given
    if gold.words is not None and words is not MISSING:
        return bool(words == gold.words)
    return text is MISSING or bool(text == gold.text)
