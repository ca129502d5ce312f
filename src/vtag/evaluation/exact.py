"""Exact matching: a found span is right if its start, end and label are those of a gold span."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """Counts, and what follows from them: precision, recall and F1, each 0 where its divisor is 0."""

    right: int
    found: int
    gold: int

    @property
    def precision(self) -> float:
        """Share of the found spans that are right."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold spans that were found."""
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, computed from them as seqeval does, so that it is rounded alike."""
        precision, recall = self.precision, self.recall
        return 2 * precision * recall / (precision + recall) if self.right else 0.0

    def to_dict(self) -> dict[str, float]:
        """As reports have it."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "right": self.right,
            "found": self.found,
            "gold": self.gold,
        }


def total(scores: Iterable[Score]) -> Score:
    """The counts of all together: the micro average."""
    rows = [(score.right, score.found, score.gold) for score in scores]
    return Score(*map(sum, zip(*rows, strict=True))) if rows else Score(0, 0, 0)


def exact(gold: Sequence[Iterable[tuple[int, int, str]]], found: Sequence[Iterable[tuple[int, int, str]]]) -> Score:
    """Compare `(start, end, label)` triples, text by text."""
    return total(
        Score(len(golden & guessed), len(guessed), len(golden))
        for golden, guessed in ((set(one), set(other)) for one, other in zip(gold, found, strict=True))
    )


def averages(labels: Mapping[str, Score]) -> dict[str, tuple[float, float, float]]:
    """Precision, recall and F1 over labels as seqeval has them: "macro", their mean, and "weighted", by gold spans."""
    rows = [(score.precision, score.recall, score.f1) for score in labels.values()]
    gold = [score.gold for score in labels.values()]
    weights = {"macro": [1] * len(rows), "weighted": gold}
    return {name: _mean(rows, of) for name, of in weights.items()}


def _mean(rows: Sequence[tuple[float, ...]], weights: Sequence[int]) -> tuple[float, float, float]:
    whole = sum(weights)
    if not whole:
        return 0.0, 0.0, 0.0
    first, second, third = (
        sum(weight * value for weight, value in zip(weights, column, strict=True)) / whole
        for column in zip(*rows, strict=True)
    )
    return first, second, third


def table(labels: Mapping[str, Score], digits: int = 2) -> str:
    """The lines of seqeval's `classification_report`, character by character."""
    micro = total(labels.values())
    rows: list[tuple[str, float, float, float]] = [
        (name, score.precision, score.recall, score.f1) for name, score in sorted(labels.items())
    ]
    support = [score.gold for _, score in sorted(labels.items())]
    means = averages(labels)
    width = max([len("weighted avg"), digits, *map(len, labels)])
    head = f"{'':>{width}s}  " + " ".join(f"{name:>9}" for name in ("precision", "recall", "f1-score", "support"))
    last = [("micro avg", micro.precision, micro.recall, micro.f1)]
    last += [(f"{name} avg", *means[name]) for name in ("macro", "weighted")]

    def line(name: str, values: Sequence[float], count: int) -> str:
        return f"{name:>{width}s}  " + " ".join(f"{value:>9.{digits}f}" for value in values) + f" {count:>9}"

    lines = [line(name, values, count) for (name, *values), count in zip(rows, support, strict=True)]
    return "\n".join([head, "", *lines, "", *(line(name, values, micro.gold) for name, *values in last)])
