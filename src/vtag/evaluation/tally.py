"""All counts of one system, or of two together, record by record; memory grows by 8 bytes a found span."""

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

    records: how many have so many right, found and gold spans. wrong_kinds: (kind of error, label of the gold span or,
    if spurious, of the found one). wrong_labels: (gold label, found label) of the same pairs, None for none. sides,
    sizes: of borders that differ. words, words_right: of records with one tag a word.
    """

    def __init__(self) -> None:
        self.records: Counter[tuple[int, int, int]] = Counter()
        self.right: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.gold: Counter[str] = Counter()
        self.untyped = [0, 0, 0]
        self.wrong_kinds: Counter[tuple[str, str]] = Counter()
        self.wrong_labels: Counter[tuple[str | None, str | None]] = Counter()
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
        hits = [one[:3] in wanted for one in found]
        self.scores.add(found, hits)
        self.gold.update([span[2] for span in gold])
        self.found.update([one[2] for one in found])
        self.right.update([one[2] for one, hit in zip(found, hits, strict=True) if hit])
        right = sum(hits)
        self.records[right, len(found), len(gold)] += 1
        apart = _apart(gold) and _apart(found)
        if apart:
            # What is right overlaps nothing else: the rest of the work is for what is wrong.
            same = [span for span, hit in zip(found, hits, strict=True) if hit]
            self.semeval.right(right)
            self.characters.right(same)
            self.untyped = [count + right for count in self.untyped]
            if right == len(found) == len(gold):
                return []
            if len(found) == len(gold) and all(one[:2] == span[:2] for one, span in zip(found, gold, strict=True)):
                return self._add_labels(gold, found, hits)
            guessed = {span[:3] for span in same}
            gold = [span for span in gold if span not in guessed]
            found = [one for one, hit in zip(found, hits, strict=True) if not hit]
        return self._add_rest(gold, found, beside=apart and right > 0)

    def _add_labels(self, gold: Sequence[Triple], found: Sequence[Found], hits: Sequence[bool]) -> list[Pair]:
        """Count those of spans at the same places, apart from each other, whose labels differ."""
        wrong = [Pair(span, one) for span, one, hit in zip(gold, found, hits, strict=True) if not hit]
        self.untyped = [count + len(wrong) for count in self.untyped]
        self.characters.right([one for one, hit in zip(found, hits, strict=True) if not hit], beside=any(hits))
        self.semeval.mislabelled(len(wrong))
        self.wrong_kinds.update([("type", span[2]) for span, _ in wrong if span])
        self.wrong_labels.update([(span[2], one[2]) for span, one in wrong if span and one])
        return wrong

    def _add_rest(self, gold: Sequence[Triple], found: Sequence[Found], *, beside: bool) -> list[Pair]:
        """Count spans some of which are wrong; beside: whether the record has right spans besides."""
        self._untyped(gold, found)
        self.characters.add(gold, found, beside=beside)
        wrong: list[Pair] = []
        for golds, founds in groups(gold, found):
            self.semeval.add(golds, founds)
            for pair in pairs(golds, founds):
                kind = pair.kind
                if kind == "right":
                    continue
                wrong.append(pair)
                span = pair.gold or pair.found
                assert span is not None
                self.wrong_kinds[kind, span[2]] += 1
                self.wrong_labels[pair.gold and pair.gold[2], pair.found and pair.found[2]] += 1
                if (side := pair.side) is not None:
                    self.sides[side] += 1
                    self.sizes[pair.size or ""] += 1
        return wrong

    def add_words(self, tags: Sequence[str], places: Sequence[tuple[int, int]], found: Sequence[Found]) -> None:
        """Count the words of a record whose span has the label of their tag; "" for neither."""
        self.words += len(tags)
        self.words_right += sum(map(str.__eq__, tags, labels_of(places, found)))

    def labels(self) -> dict[str, Score]:
        """Exact matching by label, in order of the labels."""
        names = sorted(self.gold.keys() | self.found.keys())
        return {name: Score(self.right[name], self.found[name], self.gold[name]) for name in names}

    def kinds(self) -> Counter[tuple[str, str]]:
        """All pairs by kind and label."""
        return self.wrong_kinds + Counter({("right", label): count for label, count in self.right.items()})

    def confusion(self) -> Counter[tuple[str | None, str | None]]:
        """All pairs by the labels of both sides."""
        return self.wrong_labels + Counter({(label, label): count for label, count in self.right.items()})

    def _untyped(self, gold: Sequence[Triple], found: Sequence[Found]) -> None:
        wanted, guessed = {span[:2] for span in gold}, {one[:2] for one in found}
        self.untyped[0] += len(wanted & guessed)
        self.untyped[1] += len(guessed)
        self.untyped[2] += len(wanted)


def labels_of(places: Sequence[tuple[int, int]], found: Sequence[Found]) -> list[str]:
    """The label of each word, "" for none."""
    if len(found) == len(places) and all(one[:2] == place for one, place in zip(found, places, strict=True)):
        return [one[2] for one in found]
    labels = [""] * len(places)
    at = 0
    for start, end, label, _ in found:
        while at < len(labels) and places[at][0] < start:
            at += 1
        here = at
        while here < len(labels) and places[here][1] <= end:
            labels[here] = label
            here += 1
    return labels


class Joint:
    """Counts of two systems together; see `figures.Compared` and `bootstrap.difference`."""

    def __init__(self) -> None:
        self.kinds: Counter[tuple[int, int, int, int, int]] = Counter()
        self.only_a = self.only_b = self.records = 0

    def add(self, gold: Sequence[Triple], one: Sequence[Found], other: Sequence[Found]) -> None:
        """Count a record."""
        wanted = set(gold)
        rights = [{found[:3] for found in spans} & wanted for spans in (one, other)]
        self.kinds[len(rights[0]), len(one), len(rights[1]), len(other), len(wanted)] += 1
        self.only_a += len(rights[0] - rights[1])
        self.only_b += len(rights[1] - rights[0])
        self.records += {found[:3] for found in one} != {found[:3] for found in other}


def _apart(spans: Sequence[Triple] | Sequence[Found]) -> bool:
    """Whether no two spans overlap."""
    end = 0
    for span in spans:
        if span[0] < end:
            return False
        end = span[1]
    return True
