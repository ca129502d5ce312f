"""The four schemes equal nervaluate's, whatever the spans are."""

from __future__ import annotations

import random
from dataclasses import astuple
from typing import Any

import pytest
from nervaluate import Evaluator

from tests.evaluation.spans import LABELS, apart, scored
from vtag.evaluation.overlaps import Triple, groups
from vtag.evaluation.semeval import KINDS, Outcomes, Semeval
from vtag.evaluation.tags import entities

RECORDS = 5_000


def of(records: list[tuple[list[Triple], list[Triple]]]) -> dict[str, Outcomes]:
    counted = Semeval()
    for gold, found in records:
        for golds, founds in groups(gold, scored(found)):
            counted.add(golds, founds)
    return counted.rows()


def counts(row: Any) -> tuple[int, ...]:
    return tuple(getattr(row, kind) for kind in KINDS)


def by_nervaluate(records: list[tuple[list[Triple], list[Triple]]]) -> dict[str, Outcomes]:
    def side(at: int) -> list[list[dict[str, object]]]:
        return [[{"label": label, "start": a, "end": b - 1} for a, b, label in record[at]] for record in records]

    found = Evaluator(side(0), side(1), tags=list(LABELS), loader="dict").evaluate()["overall"]
    return {
        name: Outcomes(**{field: getattr(row, field) for field in Outcomes.__slots__})
        for name, row in sorted(found.items())
    }


@pytest.mark.parametrize(
    ("gold", "found", "strict"),
    [
        ([(0, 2, "A"), (2, 5, "A")], [(0, 3, "A"), (2, 5, "A")], (1, 1, 0, 0, 0)),
        ([(0, 5, "A")], [(0, 2, "A"), (0, 5, "A")], (0, 1, 0, 0, 1)),
        ([(0, 2, "A")], [(0, 2, "B")], (0, 1, 0, 0, 0)),
        ([(0, 2, "A")], [], (0, 0, 0, 1, 0)),
        ([(0, 300, "A")], [(299, 301, "A")], (0, 0, 0, 1, 1)),
    ],
)
def test_strict_counts_of_known_cases(gold: list[Triple], found: list[Triple], strict: tuple[int, ...]) -> None:
    assert counts(of([(gold, found)])["strict"]) == strict
    assert of([(gold, found)]) == by_nervaluate([(gold, found)])


@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_nervaluate_s_own_reading_of_random_tags(seed: int) -> None:
    chance = random.Random(seed)
    names = ["O", *(f"{prefix}-{label}" for prefix in "BI" for label in LABELS)]
    for _ in range(RECORDS // 4 // 50):
        gold = [chance.choices(names, k=chance.randint(1, 12)) for _ in range(50)]
        found = [[tag if chance.random() < 0.7 else chance.choice(names) for tag in sentence] for sentence in gold]
        theirs = Evaluator(gold, found, tags=list(LABELS), loader="list").evaluate()["overall"]
        read = [[sorted((a, b, kind) for kind, a, b in entities(tags)) for tags in side] for side in (gold, found)]
        for name, row in of([*zip(*read, strict=True)]).items():
            assert counts(row) == counts(theirs[name])
            assert row.f1 == pytest.approx(theirs[name].f1, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_counts_and_scores_equal_nervaluate_on_random_records(seed: int) -> None:
    chance = random.Random(seed)
    records = [(apart(chance), apart(chance)) for _ in range(RECORDS // 4)]
    for at in range(0, len(records), 50):
        part = records[at : at + 50]
        mine, theirs = of(part), by_nervaluate(part)
        assert list(mine) == list(theirs)
        for name, row in mine.items():
            assert astuple(row) == pytest.approx(astuple(theirs[name]), abs=1e-12)
