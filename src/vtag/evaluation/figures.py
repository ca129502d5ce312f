"""What a report has: plain data, whose fields are those of the JSON (docs/reference/evaluation.schema.json)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vtag.evaluation.bootstrap import Difference, Interval
from vtag.evaluation.semeval import Outcomes
from vtag.evaluation.thresholds import Calibration, Step, Wanted

# What the JSON is; another number for a change that readers must know of.
SCHEMA = "vtag.evaluation/1"


@dataclass(frozen=True, slots=True)
class Data:
    """The gold data.

    files: names. sha256: of all their bytes, null for records in memory. input: what the system was given, "words" or
    "text". tags: the scheme of the tags, null for spans. unanswered: records that the system has no answer for; their
    spans are missed.
    """

    files: Sequence[str]
    sha256: str | None
    records: int
    spans: int
    unanswered: int
    input: str
    tags: str | None


@dataclass(frozen=True, slots=True)
class System:
    """What was evaluated.

    model: its name, or the file of predictions. revision: commit of the hub, or SHA-256 of the model's files; null for
    predictions. options: of tagging and of the engine, as far as they were given. only_gold, only_system: labels that
    the other side lacks.
    """

    model: str
    revision: str | None
    options: Mapping[str, Any]
    only_gold: Sequence[str]
    only_system: Sequence[str]


@dataclass(frozen=True, slots=True)
class Prf:
    """Exact matching: precision, recall and F1 with their counts."""

    precision: float
    recall: float
    f1: float
    right: int
    found: int
    gold: int


@dataclass(frozen=True, slots=True)
class Mean:
    """An average over labels."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Leak:
    """Characters of gold spans in no found span, whatever its label. records, leaking_records: with gold spans, and of
    these with a leaked character. beside: characters of found spans in no gold span.
    """

    gold: int
    leaked: int
    leak_rate: float
    found: int
    beside: int
    records: int
    leaking_records: int


@dataclass(frozen=True, slots=True)
class Confused:
    """How often a gold label was found as another; null: in no span."""

    gold: str | None
    found: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Errors:
    """Pairs of gold and found spans by kind, then by label and kind. sides: which borders differ; sizes: whether the
    found span is longer or shorter.
    """

    kinds: Mapping[str, int]
    labels: Mapping[str, Mapping[str, int]]
    sides: Mapping[str, int]
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Frequent:
    """The most frequent texts of missed and of spurious spans, with their counts; only where texts are shown."""

    missed: Sequence[tuple[str, int]]
    spurious: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of words with the right tag, where each word has one."""

    accuracy: float
    right: int
    words: int


@dataclass(frozen=True, slots=True)
class Figures:
    """How good a system is on gold data. All figures are fractions, offsets are code points with an exclusive end.

    overall: micro average. interval: of its F1. averages: "macro" and "weighted" as seqeval has them. semeval: the four
    schemes of nervaluate. untyped: exact matching without labels. thresholds, wanted, calibration: null without scores.
    """

    schema: str
    vtag: str
    date: str
    data: Data
    system: System
    overall: Prf
    interval: Interval
    averages: Mapping[str, Mean]
    labels: Mapping[str, Prf]
    semeval: Mapping[str, Outcomes]
    untyped: Prf
    characters: Leak
    accuracy: Accuracy | None
    errors: Errors
    confusion: Sequence[Confused]
    thresholds: Sequence[Step] | None
    wanted: Wanted | None
    calibration: Calibration | None
    frequent: Frequent | None
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Compared:
    """Two systems on the same records: both reports, and F1 of B less that of A by the paired bootstrap over records.

    only_a, only_b: gold spans that one of them alone has right. records: with different answers.
    """

    schema: str
    a: Figures
    b: Figures
    f1: Difference
    only_a: int
    only_b: int
    records: int
