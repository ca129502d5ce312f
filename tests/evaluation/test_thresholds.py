"""The sweep says what another run with that threshold would give; calibration is that of its definition."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.spans import LABELS
from vtag.evaluation.exact import exact, total
from vtag.evaluation.overlaps import Found, Triple
from vtag.evaluation.tally import Tally
from vtag.evaluation.thresholds import BINS, Scores, calibration, sweep, wanted

Records = list[tuple[list[Triple], list[Found]]]


def records(seed: int, *, count: int = 300) -> Records:
    """Spans that are right the more often, the higher their score is; scores are float32, as a model's are."""
    chance = random.Random(seed)
    made: Records = []
    for _ in range(count):
        gold: list[Triple] = [(10 * at, 10 * at + 4, chance.choice(LABELS)) for at in range(chance.randint(0, 5))]
        found: list[Found] = []
        for start, end, label in gold:
            score = float(np.float32(chance.random() ** 0.5))
            if chance.random() < 0.9:
                found.append((start, end if chance.random() < score else end + 1, label, score))
        made.append((gold, found))
    return made


def counted(of: Records) -> Tally:
    tally = Tally()
    for gold, found in of:
        tally.add(gold, found)
    return tally


@pytest.mark.parametrize("seed", range(3))
def test_each_step_is_what_a_run_with_that_threshold_gives(seed: int) -> None:
    made = records(seed)
    tally = counted(made)
    gold = total(tally.labels().values()).gold
    for step in sweep(tally.scores, gold):
        kept = [[one[:3] for one in found if (one[3] or 0) >= step.threshold] for _, found in made]
        score = exact([gold for gold, _ in made], kept)
        assert (step.precision, step.recall, step.f1) == (score.precision, score.recall, score.f1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("recall", [0.1, 0.5, 0.59])
def test_the_wanted_recall_is_reached_at_its_threshold_and_not_just_above(seed: int, recall: float) -> None:
    made = records(seed)
    tally = counted(made)
    found = wanted(tally.scores, tally.labels(), recall)

    def recall_at(threshold: float, label: str | None = None) -> float:
        gold = [[span for span in gold if label in (None, span[2])] for gold, _ in made]
        kept = [
            [one[:3] for one in found if (one[3] or 0) >= threshold and label in (None, one[2])] for _, found in made
        ]
        return exact(gold, kept).recall

    assert found.threshold is not None
    assert recall_at(found.threshold) == found.step.recall >= recall > recall_at(found.threshold + 1e-4)
    for label, threshold in found.labels.items():
        if threshold is None:
            assert recall_at(0, label) < recall
            continue
        assert recall_at(threshold, label) >= recall > recall_at(threshold + 1e-4, label)


def test_a_recall_that_is_a_whole_number_of_spans_needs_no_more() -> None:
    # 0.1 * 30 is 3.0000000000000004
    gold: list[Triple] = [(at, at + 1, "A") for at in range(0, 60, 2)]
    tally = counted([(gold, [(*span, score) for span, score in zip(gold, (0.875, 0.75, 0.5), strict=False)])])
    assert wanted(tally.scores, tally.labels(), 0.1).threshold == 0.5


def test_a_span_whose_score_is_the_threshold_stays() -> None:
    tally = counted([([(0, 1, "A")], [(0, 1, "A", 0.5)])])
    assert [step.recall for step in sweep(tally.scores, 1) if step.threshold in (0.5, 0.6)] == [1, 0]


def test_a_recall_that_no_threshold_reaches_is_said() -> None:
    tally = counted([([(0, 1, "A"), (2, 3, "A")], [(0, 1, "A", 0.9)])])
    found = wanted(tally.scores, tally.labels(), 0.6)
    assert (found.threshold, found.step.recall, found.labels) == (None, 0.5, {"A": None})


def test_scores_that_are_missing_or_no_probabilities_leave_the_whole_out() -> None:
    for score in (None, 1.5, -0.1, float("nan")):
        scores = Scores()
        scores.add([(0, 1, "A", 0.5), (1, 2, "A", score)], [True, True])
        assert not scores.complete


def test_calibration_of_a_known_case() -> None:
    scores = Scores()
    # 10 spans of score 0.95, 9 right; 10 of 0.55, 2 right
    scores.add([(at, at + 1, "A", 0.95) for at in range(10)], [True] * 9 + [False])
    scores.add([(at, at + 1, "A", 0.55) for at in range(10)], [True] * 2 + [False] * 8)
    found = calibration(scores)
    assert found is not None
    assert [(one.spans, round(one.score, 6), one.right) for one in found.bins] == [(10, 0.55, 0.2), (10, 0.95, 0.9)]
    assert found.ece == pytest.approx((0.35 + 0.05) / 2)
    assert found.brier == pytest.approx((2 * 0.45**2 + 8 * 0.55**2 + 9 * 0.05**2 + 0.95**2) / 20)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=200))
def test_bins_hold_every_score_and_their_errors_are_those_of_the_definition(given: list[tuple[float, bool]]) -> None:
    scores = Scores()
    scores.add([(0, 1, "A", score) for score, _ in given], [right for _, right in given])
    found = calibration(scores)
    assert found is not None
    assert sum(one.spans for one in found.bins) == found.spans == len(given)
    for one in found.bins:
        inside = [pair for pair in given if one.low <= pair[0] < one.high or (pair[0] == one.high == 1)]
        assert (
            one.spans == len(inside)
            or min(abs(pair[0] - edge) for pair in given for edge in (one.low, one.high)) < 1e-6
        )
    assert len(found.bins) <= BINS
    assert 0 <= found.ece <= 1
    assert 0 <= found.ece_equal_mass <= 1


def test_no_spans_have_no_calibration() -> None:
    assert calibration(Scores()) is None
    assert [step.f1 for step in sweep(Scores(), 5)] == [0] * 10
