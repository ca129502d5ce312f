"""Gold data of files or of records: checked as a whole first, then read as spans."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtag.errors import VtagError, error
from vtag.evaluation.gold_record import REASONS, Columns, Parts, RefusedError, parts_of
from vtag.evaluation.overlaps import Triple
from vtag.evaluation.tags import Reading, reading
from vtag.evaluation.units import Votes
from vtag.files import inputs, records
from vtag.files.records import Bad, Record

# More different tags are words: the field is another one.
MOST_TAGS = 1_000
# So many records stay in memory after the check; more are read a second time.
KEPT = 5_000
# Reasons of records whose last columns are missing.
COLUMNS_MISSING = ("conll_columns", "conllu_columns")
# What messages call records that come from no file.
MEMORY = "gold"

Source = str | Path | Sequence[str | Path] | Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Gold:
    """A record to compare with.

    path, number: where it is from. text: what offsets refer to: the record's own, or its words joined by spaces.
    words: the caller's words, if they are what is tagged. spans: in order. tags: of each word, if each has one label
    of its own ("plain"); offsets: the places of the words.
    """

    path: str
    number: int
    text: str
    words: list[str] | None
    spans: list[Triple]
    tags: list[str] | None
    offsets: list[tuple[int, int]]


class GoldData:
    """Gold that can be read any number of times. Making it reads all of it once, and checks it.

    Attributes:
        paths, files: of the gold, and their names. records: how many there are. own_labels: those of gold spans.
        labels: their names under the label map. sha256: of all bytes, None without files. reading: what the tags mean;
        None if there are spans. as_words: whether words are tagged and not texts.
    """

    def __init__(
        self,
        source: Source,
        columns: Columns,
        *,
        as_words: bool | None = None,
        label_map: Mapping[str, str] | None = None,
        strict: str | None = None,
        format: str | None = None,  # noqa: A002
    ) -> None:
        self._columns = columns
        self._label_map = label_map or {}
        self._strict = strict
        self._memory: list[Mapping[str, Any]] | None = None
        self._inputs: list[inputs.Input] = []
        self._kept: list[tuple[str, int, Parts]] | None = []
        names = _names(source)
        if names is None:
            self._memory = list(source)  # type: ignore[arg-type]
        else:
            self._inputs = inputs.find(names, format)
            if any(one.pipe for one in self._inputs):
                raise error("gold_pipe")
        self.paths = [Path(one.path) for one in self._inputs]
        self.files = [path.name for path in self.paths]
        self.as_words = as_words is not False
        self._as_words = as_words
        self.records = 0
        self.own_labels: set[str] = set()
        self.reading: Reading | None = None
        self._check()
        self.labels = set(map(self.named, self.own_labels)) - {""}
        self.sha256 = self._digest()

    def __iter__(self) -> Iterator[Gold]:
        again = ((path, record.number, self._parts(path, record)) for path, record in self._read())
        for path, number, parts in again if self._kept is None else self._kept:
            yield self._gold(path, number, parts)

    def named(self, label: str) -> str:
        """The name of a label under the label map; "" for one that is left out."""
        return self._label_map.get(label, label)

    def _check(self) -> None:
        """Read all records: tags become known, and offsets in other units than code points."""
        tags: dict[str, tuple[str, int]] = {}  # where each is first
        without: tuple[str, int] | None = None  # the first record without tags
        votes = Votes()
        for path, record in self._read():
            self.records += 1
            parts = self._parts(path, record)
            if self._kept is not None:
                self._kept.append((path, record.number, parts))
                if len(self._kept) > KEPT:
                    self._kept = None
            if parts.tags is None:
                without = without or (path, record.number)
                self.own_labels.update(label for _, _, label in parts.spans)
                if not parts.shown:
                    votes.add(path, record.number, parts.text, parts.spans)
                continue
            for tag in set(parts.tags) - tags.keys():
                tags[tag] = path, record.number
            if len(tags) > MOST_TAGS:
                raise self._bad(path, record.number, self._columns.tags, "tags_many")
        if not self.records:
            raise error("no_gold", path=self._inputs[0].path if self._inputs else MEMORY)
        if (other := votes.other()) is not None:
            unit, path, number = other
            raise self._bad(path, number, self._columns.spans, f"looks_{unit}")
        self.as_words = bool(tags) and self._as_words is not False
        if self.as_words and without is not None:
            raise self._bad(*without, self._columns.tags, "tags_missing")
        if tags:
            self._read_tags(tags)

    def _read_tags(self, tags: Mapping[str, tuple[str, int]]) -> None:
        """Find out what the tags mean; each has the path and the number of its first record."""
        self.reading = reading(tags, self._strict)
        if self.reading.strange:
            where = min((tags[tag] for tag in self.reading.strange), key=lambda place: place[1])
            raise self._bad(*where, self._columns.tags, "tags_strict" if self._strict else "tags_scheme")
        self.own_labels |= {kind for prefix, kind in self.reading.tags.values() if prefix != "O"}

    def _read(self) -> Iterator[tuple[str, Record]]:
        if self._memory is not None:
            for number, fields in enumerate(self._memory, 1):
                if not isinstance(fields, Mapping):
                    raise error("bad_gold_record", path=MEMORY, record=number, reason="not a mapping of fields")
                yield MEMORY, Record(number, fields)
            return
        for source in self._inputs:
            with inputs.opened(source) as raw:
                for record in inputs.records(source, raw):
                    if isinstance(record, Bad):
                        reason = records.REASONS[record.reason]
                        if record.reason in COLUMNS_MISSING:
                            where = {"record": record.number, "column": self._columns.tags}
                            raise error("bad_gold", path=source.path, reason=reason, **where)
                        raise error("bad_gold_record", path=source.path, record=record.number, reason=reason)
                    yield source.path, record

    def _parts(self, path: str, record: Record) -> Parts:
        try:
            return parts_of(record.fields, self._columns, as_words=self._as_words)
        except RefusedError as refused:
            column, reason = refused.args
            raise self._bad(path, record.number, column, reason) from None

    def _gold(self, path: str, number: int, parts: Parts) -> Gold:
        spans = self._spans(parts)
        if self._label_map:
            spans = [(start, end, name) for start, end, label in spans if (name := self.named(label))]
            spans = sorted(set(spans))
        words = parts.words if self.as_words else None
        tags = None
        if words is not None and self.reading is not None and self.reading.scheme == "plain":
            tags = [
                self.named(kind) if kind != "_" else ""
                for _, kind in map(self.reading.tags.__getitem__, parts.tags or [])
            ]
        return Gold(path, number, parts.text, words, spans, tags, parts.offsets)

    def _spans(self, parts: Parts) -> list[Triple]:
        """The spans in order; of tags, the characters of the words of each entity."""
        if parts.tags is None or self.reading is None:
            return parts.spans
        offsets = parts.offsets
        found = [
            (offsets[first][0], offsets[end - 1][1], kind) for kind, first, end in self.reading.entities(parts.tags)
        ]
        # the words of a multiword token may stand at one place of the text
        return found if self.as_words else sorted(set(found))

    def _digest(self) -> str | None:
        if not self._inputs:
            return None
        whole = hashlib.sha256()
        for source in self._inputs:
            with inputs.opened(source) as raw:
                while data := raw.read(1 << 20):
                    whole.update(data)
        return whole.hexdigest()

    @staticmethod
    def _bad(path: str, record: int, column: str, reason: str) -> VtagError:
        says = REASONS[reason].format(most=MOST_TAGS)
        return error("bad_gold", path=path, record=record, column=column, reason=says)


def _names(source: Source) -> list[str] | None:
    """The names of files; None if the source has records."""
    if isinstance(source, str | Path):
        return [str(source)]
    if isinstance(source, Sequence) and source and all(isinstance(one, str | Path) for one in source):
        return list(map(str, source))
    if isinstance(source, Mapping) or not isinstance(source, Iterable):
        raise error(
            "bad_argument", name="gold", value=f"({type(source).__name__})", expected="files, or a list of records"
        )
    return None
