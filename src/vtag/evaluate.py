"""Exact-match evaluation: a span counts if its start, end and label all match."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over all texts, and micro precision, recall and F1."""

    right: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        """Share of the predicted spans that are correct; 0 if there are none."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold spans that were found; 0 if there are none."""
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / (self.predicted + self.gold) if self.predicted + self.gold else 0.0


def exact(gold: Sequence[Iterable[tuple[int, int, str]]], predicted: Sequence[Iterable[tuple[int, int, str]]]) -> Score:
    """Compare `(start, end, label)` triples, text by text."""
    right = found = wanted = 0
    for of_text, mine in zip(gold, predicted, strict=True):
        golden, guessed = set(of_text), set(mine)
        right += len(golden & guessed)
        found += len(guessed)
        wanted += len(golden)
    return Score(right, found, wanted)
