"""All counts of one system, record by record; memory grows by 8 bytes a found span."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vtag.evaluation.characters import Characters
from vtag.evaluation.exact import Score
from vtag.evaluation.overlaps import Found, Pair, Triple, groups, pairs
from vtag.evaluation.semeval import Semeval
from vtag.evaluation.thresholds import Scores

KINDS = ("right", "boundary", "type", "both", "missed", "spurious")


class Tally:
    """What the report is made of.

    records: how many have so many right, found and gold spans. confusion: (gold label, found label), None for none.
    kinds: (kind of error, label of the gold span or, if spurious, of the found one). sides, sizes: of borders that
    differ. words, words_right: of records with one tag a word.
    """

    def __init__(self) -> None:
        self.records: Counter[tuple[int, int, int]] = Counter()
        self.right: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.gold: Counter[str] = Counter()
        self.untyped = [0, 0, 0]
        self.confusion: Counter[tuple[str | None, str | None]] = Counter()
        self.kinds: Counter[tuple[str, str]] = Counter()
        self.sides: Counter[str] = Counter()
        self.sizes: Counter[str] = Counter()
        self.semeval = Semeval()
        self.characters = Characters()
        self.scores = Scores()
        self.words = self.words_right = 0

    def add(self, gold: Sequence[Triple], found: Sequence[Found]) -> list[Pair]:
        """Count a record, whose spans are in order and different; returns what is wrong in it."""
        if not gold and not found:
            self.records[0, 0, 0] += 1
            return []
        wanted = set(gold)
        right = 0
        for start, end, label, score in found:
            hit = (start, end, label) in wanted
            right += hit
            self.found[label] += 1
            self.scores.add(label, score, hit)
            if hit:
                self.right[label] += 1
        for _, _, label in gold:
            self.gold[label] += 1
        self.records[right, len(found), len(gold)] += 1
        if right == len(found) == len(gold) and _apart(gold):
            for _, _, label in gold:
                self.confusion[label, label] += 1
                self.kinds["right", label] += 1
            for at in range(3):
                self.untyped[at] += right
            self.semeval.right(right)
            self.characters.right(gold)
            return []
        self._untyped(gold, found)
        self.characters.add(gold, found)
        wrong: list[Pair] = []
        for golds, founds in groups(gold, found):
            self.semeval.add(golds, founds)
            for pair in pairs(golds, founds):
                kind = pair.kind
                span = pair.gold or pair.found
                assert span is not None
                self.kinds[kind, span[2]] += 1
                self.confusion[pair.gold and pair.gold[2], pair.found and pair.found[2]] += 1
                if kind != "right":
                    wrong.append(pair)
                    if (side := pair.side) is not None:
                        self.sides[side] += 1
                        self.sizes[pair.size or ""] += 1
        return wrong

    def add_words(self, gold: Sequence[str], found: Sequence[str]) -> None:
        """Count the tags of a record's words."""
        self.words += len(gold)
        self.words_right += sum(map(str.__eq__, gold, found))

    def labels(self) -> dict[str, Score]:
        """Exact matching by label, in order of the labels."""
        names = sorted(self.gold.keys() | self.found.keys())
        return {name: Score(self.right[name], self.found[name], self.gold[name]) for name in names}

    def _untyped(self, gold: Sequence[Triple], found: Sequence[Found]) -> None:
        wanted, guessed = {span[:2] for span in gold}, {one[:2] for one in found}
        self.untyped[0] += len(wanted & guessed)
        self.untyped[1] += len(guessed)
        self.untyped[2] += len(wanted)


def _apart(spans: Sequence[Triple]) -> bool:
    """Whether no two spans overlap, and none is empty."""
    end = 0
    for start, stop, _ in spans:
        if start < end or start == stop:
            return False
        end = stop
    return True
