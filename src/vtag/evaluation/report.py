"""Counts to a report, with its forms: JSON and text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from vtag.evaluation import exact, text
from vtag.evaluation.bootstrap import FEW, f1_interval
from vtag.evaluation.figures import (
    SCHEMA,
    Accuracy,
    Compared,
    Confused,
    Data,
    Errors,
    Figures,
    Frequent,
    Leak,
    Mean,
    Prf,
    System,
)
from vtag.evaluation.tally import KINDS, Tally
from vtag.evaluation.thresholds import calibration, sweep, wanted


@dataclass(frozen=True, slots=True)
class Report(Figures):
    """How good a system is on gold data; `str` of it is what `vtag eval` prints.

    Its attributes are the fields of the JSON, docs/reference/report.md.
    """

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    def __str__(self) -> str:
        return text.render(self)


@dataclass(frozen=True, slots=True)
class Comparison(Compared):
    """Two systems on the same records; `str` of it is what `vtag eval` prints.

    Its attributes are the fields of the JSON, docs/reference/report.md.
    """

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    def __str__(self) -> str:
        return text.render_comparison(self)


def prf(score: exact.Score) -> Prf:
    """The row of a score."""
    return Prf(**score.to_dict())  # type: ignore[arg-type]


def report_of(
    tally: Tally,
    data: Data,
    system: System,
    *,
    vtag: str,
    date: str,
    recall: float,
    seed: int,
    frequent: Frequent | None = None,
) -> Report:
    """The report of all that was counted."""
    labels = tally.labels()
    overall = exact.total(labels.values())
    characters = tally.characters
    scored = tally.scores.complete and overall.found > 0
    return Report(
        schema=SCHEMA,
        vtag=vtag,
        date=date,
        data=data,
        system=system,
        overall=prf(overall),
        interval=f1_interval(tally.records, seed),
        averages={name: Mean(*means) for name, means in exact.averages(labels).items()},
        labels={name: prf(score) for name, score in labels.items()},
        semeval=tally.semeval.rows(),
        untyped=prf(exact.Score(*tally.untyped)),
        characters=Leak(
            characters.gold,
            characters.leaked,
            characters.leak_rate,
            characters.found,
            characters.beside,
            characters.records,
            characters.leaking,
        ),
        accuracy=Accuracy(tally.words_right / tally.words, tally.words_right, tally.words) if tally.words else None,
        errors=_errors(tally),
        confusion=[
            Confused(gold, found, count) for (gold, found), count in sorted(tally.confusion().items(), key=_place)
        ],
        thresholds=sweep(tally.scores, overall.gold) if scored else None,
        wanted=wanted(tally.scores, labels, recall) if scored and overall.gold else None,
        calibration=calibration(tally.scores) if scored else None,
        frequent=frequent,
        notes=_notes(tally, data, overall),
    )


def _errors(tally: Tally) -> Errors:
    kinds = dict.fromkeys(KINDS, 0)
    labels: dict[str, dict[str, int]] = {}
    for (kind, label), count in sorted(tally.kinds().items()):
        kinds[kind] += count
        labels.setdefault(label, {})[kind] = count
    return Errors(
        kinds, dict(sorted(labels.items())), dict(sorted(tally.sides.items())), dict(sorted(tally.sizes.items()))
    )


def _place(item: tuple[tuple[str | None, str | None], int]) -> tuple[Any, ...]:
    (gold, found), _ = item
    return gold is None, gold or "", found is None, found or ""


def _notes(tally: Tally, data: Data, overall: exact.Score) -> list[str]:
    notes = []
    if overall.right == overall.found == overall.gold > 0 and not tally.scores.complete:
        notes.append(
            "the predictions have no scores and are the gold's own spans: if another field has what was found, name it"
            " with --predictions-field"
        )
    if data.records < FEW:
        notes.append(f"{data.records} records are few: the interval says little below {FEW}")
    if data.unanswered:
        notes.append(f"{data.unanswered} records have no answer: their spans are counted as missed")
    return notes
