"""The four schemes of SemEval-2013 task 9.1, after MUC-5: strict, exact, partial, ent_type.

Counts equal nervaluate 1.2.1 (https://github.com/MantisAI/nervaluate), tests compare. It goes through found spans in
order, and each takes the first gold span that it overlaps, unless one fits. So where found spans overlap each other,
one that is exactly right can lose its gold span to an earlier one; the rest of the report pairs equal spans first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from vtag.evaluation.overlaps import Found, Triple, overlap

Rule = Callable[[Triple, Found], bool]


class Scheme(NamedTuple):
    """fits: whether a found span is correct. else_: what it is if it only overlaps a gold span."""

    fits: Rule
    else_: str


SCHEMES = {
    "ent_type": Scheme(lambda gold, found: gold[2] == found[2], "incorrect"),
    "exact": Scheme(lambda gold, found: gold[:2] == found[:2], "incorrect"),
    "partial": Scheme(lambda gold, found: gold[:2] == found[:2], "partial"),
    "strict": Scheme(lambda gold, found: gold == found[:3], "incorrect"),
}
OUTCOMES = ("correct", "incorrect", "partial", "missed", "spurious")
# Spans overlap if they share at least so many percent of the gold span.
LEAST = 1


class Row(NamedTuple):
    """The counts of a scheme, and what follows from them: half of `partial` counts as correct."""

    correct: int
    incorrect: int
    partial: int
    missed: int
    spurious: int
    precision: float
    recall: float
    f1: float


class Semeval:
    """Counts outcomes, group by group of spans that overlap."""

    def __init__(self) -> None:
        self._right = 0  # gold spans that were found as they are, alone in their groups
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in SCHEMES}

    def right(self, count: int) -> None:
        """Count spans that are right, and overlap no others."""
        self._right += count

    def add(self, gold: Sequence[Triple], found: Sequence[Found]) -> None:
        """Count a group."""
        if len(gold) == 1 and len(found) == 1 and gold[0] == found[0][:3]:
            self._right += 1
            return
        for name, scheme in SCHEMES.items():
            counts = self._counts[name]
            left = list(gold)
            for one in found:
                near = [span for span in left if 100 * overlap(span, one) >= LEAST * (span[1] - span[0]) > 0]
                fitting = [span for span in near if scheme.fits(span, one)]
                if fitting:
                    taken = min(fitting, key=lambda span: abs(span[0] - one[0]) + abs(span[1] - one[1]))
                    counts["correct"] += 1
                elif near:
                    taken = near[0]
                    counts[scheme.else_] += 1
                else:
                    counts["spurious"] += 1
                    continue
                left.remove(taken)
            counts["missed"] += len(left)

    def rows(self) -> dict[str, Row]:
        """The table."""
        return {name: self._row(counts) for name, counts in self._counts.items()}

    def _row(self, counts: Counter[str]) -> Row:
        correct, incorrect, partial, missed, spurious = (counts[outcome] for outcome in OUTCOMES)
        correct += self._right
        fit = correct + partial / 2
        both = correct + incorrect + partial
        precision = fit / (both + spurious) if both + spurious else 0.0
        recall = fit / (both + missed) if both + missed else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return Row(correct, incorrect, partial, missed, spurious, precision, recall, f1)
