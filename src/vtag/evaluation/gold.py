"""Gold data of files or of records: checked as a whole first, then read as spans."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtag.errors import VtagError, error
from vtag.evaluation.gold_record import REASONS, Columns, Parts, RefusedError, evidence, parts_of
from vtag.evaluation.overlaps import Triple
from vtag.evaluation.tags import Reading, reading
from vtag.files import inputs, records
from vtag.files.records import Bad, Record

# More different tags are words: the field is another one.
MOST_TAGS = 1_000
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
        records: how many there are. labels: gold spans by label. sha256: of all bytes, None without files.
        reading: what the tags mean; None if there are spans. as_words: whether words are tagged and not texts.
    """

    def __init__(
        self,
        source: Source,
        columns: Columns,
        *,
        as_words: bool | None = None,
        label_map: Mapping[str, str] | None = None,
        format: str | None = None,  # noqa: A002
    ) -> None:
        self._columns = columns
        self._label_map = label_map or {}
        self._memory: list[Mapping[str, Any]] | None = None
        self._inputs: list[inputs.Input] = []
        names = _names(source)
        if names is None:
            self._memory = list(source)  # type: ignore[arg-type]
        else:
            self._inputs = inputs.find(names, format)
            if any(one.pipe for one in self._inputs):
                raise error("gold_pipe")
        self.files = [Path(one.path).name for one in self._inputs]
        self.as_words = as_words is not False
        self._as_words = as_words
        self.records = 0
        self.unmapped: Counter[str] = Counter()
        self.reading: Reading | None = None
        self._check()
        self.labels: Counter[str] = Counter()
        for label, count in self.unmapped.items():
            self.labels[self.named(label)] += count
        del self.labels[""]
        self.sha256 = self._digest()

    def __iter__(self) -> Iterator[Gold]:
        for path, record in self._read():
            yield self._gold(path, record, self._parts(path, record))

    def named(self, label: str) -> str:
        """The name of a label under the label map; "" for one that is left out."""
        return self._label_map.get(label, label)

    def _check(self) -> None:
        """Read all records: tags become known, and offsets in other units than code points."""
        seen: dict[str, tuple[str, int]] = {}
        counts: Counter[str] = Counter()
        spans = words = False
        votes: Counter[str] = Counter()
        first: dict[str, tuple[str, int]] = {}
        for path, record in self._read():
            self.records += 1
            parts = self._parts(path, record)
            if parts.tags is None:
                spans = True
                counts.update(label for _, _, label in parts.spans)
                if not parts.shown:
                    for unit, count in evidence(parts.text, parts.spans).items():
                        votes[unit] += count
                        if count:
                            first.setdefault(unit, (path, record.number))
                continue
            words = True
            for tag in parts.tags:
                seen.setdefault(tag, (path, record.number))
            if len(seen) > MOST_TAGS:
                raise self._bad(path, record.number, self._columns.tags, "tags_many")
        if not self.records:
            raise error("no_gold", path=self._inputs[0].path if self._inputs else MEMORY)
        for unit in ("utf8", "utf16"):
            if votes[unit] and not votes["codepoint"]:
                raise self._bad(*first[unit], self._columns.spans, f"looks_{unit}")
        self.as_words = words and self._as_words is not False
        if words:
            self.reading = reading(seen)
            if self.reading.strange:
                where = min((seen[tag] for tag in self.reading.strange), key=lambda place: place[1])
                raise self._bad(*where, self._columns.tags, "tags_scheme")
            for path, record in self._read():
                counts.update(label for _, _, label in self._spans(path, record, self._parts(path, record)))
        elif not spans:
            raise error("no_gold", path=MEMORY)
        self.unmapped = counts

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
                        raise error("bad_gold_record", path=source.path, record=record.number, reason=reason)
                    yield source.path, record

    def _parts(self, path: str, record: Record) -> Parts:
        try:
            return parts_of(record.fields, self._columns, as_words=self._as_words)
        except RefusedError as refused:
            column, reason = refused.args
            raise self._bad(path, record.number, column, reason) from None

    def _gold(self, path: str, record: Record, parts: Parts) -> Gold:
        spans = parts.spans if parts.tags is None else self._spans(path, record, parts)
        if self._label_map:
            spans = sorted({(start, end, name) for start, end, label in spans if (name := self.named(label))})
        words = parts.words if self.as_words else None
        tags = None
        if words is not None and self.reading is not None and self.reading.scheme == "plain":
            tags = [
                self.named(kind) if kind != "_" else ""
                for _, kind in map(self.reading.tags.__getitem__, parts.tags or [])
            ]
        return Gold(path, record.number, parts.text, words, spans, tags, parts.offsets)

    def _spans(self, path: str, record: Record, parts: Parts) -> list[Triple]:
        """Of tags: the characters of the words of each entity."""
        assert self.reading is not None
        if parts.tags is None:
            return parts.spans
        found = []
        for kind, first, end in self.reading.entities(parts.tags):
            start, stop = parts.offsets[first][0], parts.offsets[end - 1][1]
            if start >= stop:
                raise self._bad(path, record.number, self._columns.words, "word_empty")
            found.append((start, stop, kind))
        return sorted(set(found))

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
