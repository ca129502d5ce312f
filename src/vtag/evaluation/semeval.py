"""The four schemes of SemEval-2013 task 9.1, after MUC-5: strict, exact, partial, ent_type.

Counts equal nervaluate 1.2.1 (https://github.com/MantisAI/nervaluate), tests compare. It goes through found spans in
order, and each takes the first gold span that it overlaps, unless one fits. So where found spans overlap each other,
one that is exactly right can lose its gold span to an earlier one; the rest of the report pairs equal spans first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vtag.evaluation.overlaps import Found, Triple, overlap


class Scheme(NamedTuple):
    """place, label: what must be equal for a found span to be correct. else_: what it is if it only overlaps."""

    place: bool
    label: bool
    else_: str = "incorrect"

    def outcome(self, place: bool, label: bool) -> str:
        """What a found span is that overlaps a gold span, by whether place and label are equal."""
        return "correct" if place >= self.place and label >= self.label else self.else_

    def fits(self, gold: Triple, found: Found) -> bool:
        """Whether a found span that overlaps a gold span is correct."""
        return self.outcome(gold[:2] == found[:2], gold[2] == found[2]) == "correct"


SCHEMES = {
    "ent_type": Scheme(place=False, label=True),
    "exact": Scheme(place=True, label=False),
    "partial": Scheme(place=True, label=False, else_="partial"),
    "strict": Scheme(place=True, label=True),
}
KINDS = ("correct", "incorrect", "partial", "missed", "spurious")
# Spans overlap if they share at least so many percent of the gold span.
LEAST = 1


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The counts of a scheme, and what follows from them: half of `partial` counts as correct."""

    correct: int
    incorrect: int
    partial: int
    missed: int
    spurious: int
    precision: float
    recall: float
    f1: float


def near(gold: Triple, found: Found) -> bool:
    """Whether a found span overlaps a gold span enough."""
    return 100 * overlap(gold, found) >= LEAST * (gold[1] - gold[0]) > 0


class Semeval:
    """Counts outcomes, group by group of spans that overlap."""

    def __init__(self) -> None:
        self._right = 0  # gold spans that were found as they are, alone in their groups
        # groups of a span each, by whether place and label are equal, and of one span alone
        self._alone: Counter[tuple[bool, bool] | str] = Counter()
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in SCHEMES}

    def right(self, count: int) -> None:
        """Count spans that are right, and overlap no others."""
        self._right += count

    def mislabelled(self, count: int) -> None:
        """Count spans at the places of gold spans with other labels, which overlap no others."""
        self._alone[True, False] += count

    def add(self, gold: Sequence[Triple], found: Sequence[Found]) -> None:
        """Count a group."""
        if len(gold) == 1 and len(found) == 1 and near(gold[0], found[0]):
            self._alone[gold[0][:2] == found[0][:2], gold[0][2] == found[0][2]] += 1
        elif len(gold) + len(found) == 1:
            self._alone["missed" if gold else "spurious"] += 1
        else:
            self._add(gold, found, self._counts)

    def _add(self, gold: Sequence[Triple], found: Sequence[Found], to: Mapping[str, Counter[str]]) -> None:
        for name, scheme in SCHEMES.items():
            counts = to[name]
            left = list(gold)
            for one in found:
                close = [span for span in left if near(span, one)]
                fitting = [span for span in close if scheme.fits(span, one)]
                if fitting:
                    taken = min(fitting, key=lambda span: abs(span[0] - one[0]) + abs(span[1] - one[1]))
                    counts["correct"] += 1
                elif close:
                    taken = close[0]
                    counts[scheme.else_] += 1
                else:
                    counts["spurious"] += 1
                    continue
                left.remove(taken)
            counts["missed"] += len(left)

    def rows(self) -> dict[str, Outcomes]:
        """The table."""
        counts = {name: Counter(row) for name, row in self._counts.items()}
        for group, times in self._alone.items():
            for name, scheme in SCHEMES.items():
                counts[name][group if isinstance(group, str) else scheme.outcome(*group)] += times
        return {name: self._row(row) for name, row in counts.items()}

    def _row(self, counts: Counter[str]) -> Outcomes:
        correct, incorrect, partial, missed, spurious = (counts[outcome] for outcome in KINDS)
        correct += self._right
        fit = correct + partial / 2
        both = correct + incorrect + partial
        precision = fit / (both + spurious) if both + spurious else 0.0
        recall = fit / (both + missed) if both + missed else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return Outcomes(correct, incorrect, partial, missed, spurious, precision, recall, f1)
