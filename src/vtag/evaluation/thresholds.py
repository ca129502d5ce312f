"""What a threshold would do, and whether scores are probabilities: from the score of each found span, right or wrong.

A threshold leaves out spans with a lower score, as `threshold` of `LLM.tag` does. Exact matching of one span does not
depend on the others, so one run shows all thresholds above its own.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np

from vtag.evaluation.exact import Score
from vtag.evaluation.overlaps import Found

STEPS = tuple(step / 10 for step in range(1, 10))
# Bins of the calibration errors, as in Guo et al. 2017 (https://arxiv.org/abs/1706.04599).
BINS = 15


class Scores:
    """Scores of found spans: 4 bytes each for the score, and 4 for its label and whether it is right."""

    def __init__(self) -> None:
        self._scores = array("f")
        self._codes = array("i")
        self._labels: dict[str, int] = {}
        self.complete = True

    def add(self, found: Sequence[Found], hits: Sequence[bool]) -> None:
        """Add found spans, and whether each is right; a score of None, or one outside of [0, 1], makes the whole
        incomplete.
        """
        for (_, _, label, score), right in zip(found, hits, strict=True):
            if score is None or not 0 <= score <= 1:
                self.complete = False
                return
            if label not in self._labels:
                self._labels[label] = len(self._labels)
            self._scores.append(score)
            self._codes.append(2 * self._labels[label] + right)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """float32 scores, bool whether right, int32 number of the label; of each found span [n]."""
        codes = np.frombuffer(self._codes, np.int32) if self._codes else np.zeros(0, np.int32)
        scores = np.frombuffer(self._scores, np.float32) if self._scores else np.zeros(0, np.float32)
        return scores, codes % 2 == 1, codes // 2

    @property
    def labels(self) -> list[str]:
        """The labels by their numbers."""
        return list(self._labels)


@dataclass(frozen=True, slots=True)
class Step:
    """What is found at a threshold."""

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """The highest threshold (rounded down to four digits) at which recall is at least `recall`; None if none is: then
    `step` is what is found without a threshold. labels: the same by label.
    """

    recall: float
    threshold: float | None
    step: Step
    labels: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Bin:
    """Found spans with scores in [low, high): how many, their mean score, and the share that is right."""

    low: float
    high: float
    spans: int
    score: float
    right: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether scores are probabilities of being right. Missed spans are not seen.

    ece: expected calibration error with bins of equal width; ece_equal_mass: of equal numbers of spans. brier: mean of
    (score - right)^2. bins: of equal width, without empty ones.
    """

    spans: int
    ece: float
    ece_equal_mass: float
    brier: float
    bins: Sequence[Bin]


def sweep(scores: Scores, gold: int) -> list[Step]:
    """What is found at each of STEPS, of so many gold spans."""
    values, right, _ = scores.arrays()
    return [_step(values, right, gold, threshold) for threshold in (0.0, *STEPS)]


def wanted(scores: Scores, labels: Mapping[str, Score], recall: float) -> Wanted:
    """The threshold for a recall, of all spans and of each label with gold spans."""
    values, right, numbers = scores.arrays()
    gold = sum(score.gold for score in labels.values())
    threshold = _highest(values[right], gold, recall)
    number_of = {label: number for number, label in enumerate(scores.labels)}
    of_labels = {
        label: _highest(values[right & (numbers == number_of.get(label, -1))], score.gold, recall)
        for label, score in sorted(labels.items())
        if score.gold
    }
    return Wanted(recall, threshold, _step(values, right, gold, threshold or 0.0), of_labels)


def calibration(scores: Scores) -> Calibration | None:
    """None without found spans."""
    values, right, _ = scores.arrays()
    if not len(values):
        return None
    exact = values.astype(np.float64)
    # a score of 1 belongs to the last bin
    places = np.minimum((exact * BINS).astype(np.int64), BINS - 1)
    bins = []
    for place in range(BINS):
        inside = places == place
        if inside.any():
            means = float(exact[inside].mean()), float(right[inside].mean())
            bins.append(Bin(place / BINS, (place + 1) / BINS, int(inside.sum()), *means))
    order = np.argsort(exact, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    equal_mass = sum(len(part) * abs(float(exact[part].mean() - right[part].mean())) for part in parts)
    return Calibration(
        spans=len(values),
        ece=sum(one.spans * abs(one.score - one.right) for one in bins) / len(values),
        ece_equal_mass=equal_mass / len(values),
        brier=float(((exact - right) ** 2).mean()),
        bins=bins,
    )


def _step(values: np.ndarray, right: np.ndarray, gold: int, threshold: float) -> Step:
    kept = values.astype(np.float64) >= threshold
    score = Score(int((kept & right).sum()), int(kept.sum()), gold)
    return Step(threshold, score.precision, score.recall, score.f1)


def _highest(right: np.ndarray, gold: int, recall: float) -> float | None:
    """The highest threshold that leaves enough right spans, of the scores of all right spans."""
    needed = max(1, -floor(-recall * gold + 1e-9))
    if needed > len(right):
        return None
    lowest = float(np.sort(right)[len(right) - needed])
    return floor(lowest * 10_000) / 10_000
