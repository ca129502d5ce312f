"""Counts equal what plain sets say, and each gold and found span is in exactly one pair."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.spans import relabelled, scored, triples
from vtag.evaluation.characters import Characters
from vtag.evaluation.exact import Score, exact, total
from vtag.evaluation.overlaps import Found, Pair, Triple, groups, overlap, pairs
from vtag.evaluation.tally import KINDS, Tally, labels_of

RECORDS = st.lists(st.one_of(st.tuples(triples, triples), relabelled), max_size=5)


def counted(records: list[tuple[list[Triple], list[Triple]]]) -> Tally:
    tally = Tally()
    for gold, found in records:
        tally.add(gold, scored(found))
    return tally


def characters_of(spans: list[Triple]) -> set[int]:
    return {at for start, end, _ in spans for at in range(start, end)}


@given(RECORDS)
def test_labels_characters_and_places_are_those_of_plain_sets(records: list[tuple[list[Triple], list[Triple]]]) -> None:
    tally = counted(records)
    golds, founds = [gold for gold, _ in records], [found for _, found in records]
    assert total(tally.labels().values()) == exact(golds, founds)
    for label, score in tally.labels().items():
        of_label = [[[span for span in side if span[2] == label] for side in record] for record in records]
        assert score == exact([gold for gold, _ in of_label], [found for _, found in of_label])
    untyped = [[{span[:2] for span in side} for side in record] for record in records]
    assert tally.untyped == [
        sum(len(gold & found) for gold, found in untyped),
        sum(len(found) for _, found in untyped),
        sum(len(gold) for gold, _ in untyped),
    ]
    covered = [(characters_of(gold), characters_of(found)) for gold, found in records]
    assert tally.characters == Characters(
        gold=sum(len(gold) for gold, _ in covered),
        leaked=sum(len(gold - found) for gold, found in covered),
        found=sum(len(found) for _, found in covered),
        beside=sum(len(found - gold) for gold, found in covered),
        records=sum(bool(gold) for gold, _ in covered),
        leaking=sum(bool(gold - found) for gold, found in covered),
    )


@given(RECORDS)
def test_each_span_is_in_one_pair_and_equal_spans_are_paired_first(
    records: list[tuple[list[Triple], list[Triple]]],
) -> None:
    tally = counted(records)
    kinds, confusion = tally.kinds(), tally.confusion()
    assert {kind for kind, _ in kinds} <= set(KINDS)
    of = Counter[str]()
    for (kind, _), count in kinds.items():
        of[kind] += count
    gold, found = sum(len(gold) for gold, _ in records), sum(len(found) for _, found in records)
    assert of.total() - of["spurious"] == gold
    assert of.total() - of["missed"] == found
    assert of["right"] == exact([gold for gold, _ in records], [found for _, found in records]).right
    assert confusion.total() == of.total()
    assert sum(count for (label, _), count in confusion.items() if label is None) == of["spurious"]
    assert sum(count for (_, label), count in confusion.items() if label is None) == of["missed"]
    assert tally.sides.total() == tally.sizes.total() == of["boundary"] + of["both"]


@given(triples, triples)
def test_groups_hold_all_spans_in_order_and_no_two_groups_overlap(gold: list[Triple], found: list[Triple]) -> None:
    made = [*groups(gold, scored(found))]
    assert [span for golds, _ in made for span in golds] == gold
    assert [one[:3] for _, founds in made for one in founds] == found
    for at, (golds, founds) in enumerate(made):
        for others, other_founds in made[at + 1 :]:
            sides: list[list[Triple | Found]] = [[*golds, *founds], [*others, *other_founds]]
            assert not any(overlap(one, other) for one in sides[0] for other in sides[1])


@given(triples, triples)
def test_what_is_wrong_is_given_back(gold: list[Triple], found: list[Triple]) -> None:
    wrong = Tally().add(gold, scored(found))
    assert sorted(pair.gold for pair in wrong if pair.gold) == sorted(set(gold) - set(found))
    assert sorted(pair.found[:3] for pair in wrong if pair.found) == sorted(set(found) - set(gold))


@pytest.mark.parametrize(
    ("gold", "found", "kind", "side", "size"),
    [
        ((2, 5, "A"), (2, 5, "A"), "right", None, None),
        ((2, 5, "A"), (2, 5, "B"), "type", None, None),
        ((2, 5, "A"), (2, 6, "A"), "boundary", "right", "longer"),
        ((2, 5, "A"), (3, 5, "A"), "boundary", "left", "shorter"),
        ((2, 5, "A"), (3, 6, "A"), "boundary", "both", "shifted"),
        ((2, 5, "A"), (4, 9, "B"), "both", "both", "longer"),
        ((2, 5, "A"), None, "missed", None, None),
        (None, (2, 5, "A"), "spurious", None, None),
    ],
)
def test_kinds_of_errors(
    gold: Triple | None, found: Triple | None, kind: str, side: str | None, size: str | None
) -> None:
    pair = Pair(gold, found and (*found, 0.5))
    assert (pair.kind, pair.side, pair.size) == (kind, side, size)


def test_pairs_take_the_largest_overlap_after_equal_spans_and_places() -> None:
    gold: list[Triple] = [(0, 10, "A"), (10, 20, "A"), (20, 30, "B")]
    found = scored([(0, 2, "A"), (3, 12, "A"), (20, 30, "A"), (20, 30, "B")])
    assert sorted(pairs(gold, found), key=str) == sorted(
        [
            Pair(gold[0], found[1]),
            Pair(gold[2], found[3]),
            Pair(gold[1], None),
            Pair(None, found[0]),
            Pair(None, found[2]),
        ],
        key=str,
    )


def test_a_span_at_the_same_place_comes_before_a_longer_one_with_the_right_label() -> None:
    found = scored([(0, 9, "A"), (2, 5, "B")])
    assert pairs([(2, 5, "A")], found) == [Pair((2, 5, "A"), found[1]), Pair(None, found[0])]


def test_words_are_counted_one_by_one() -> None:
    tally = Tally()
    places = [(0, 1), (2, 3), (4, 5)]
    tally.add_words(["DET", "NOUN", ""], places, scored([(0, 1, "DET"), (2, 3, "VERB")]))
    assert (tally.words, tally.words_right) == (3, 2)
    assert labels_of(places, scored([(2, 5, "X")])) == ["", "X", "X"]
    assert labels_of(places, scored([(0, 1, "X"), (2, 3, "Y"), (4, 5, "Z")])) == ["X", "Y", "Z"]


def test_figures_without_a_divisor_are_0() -> None:
    assert Score(0, 0, 0).to_dict() == {"precision": 0, "recall": 0, "f1": 0, "right": 0, "found": 0, "gold": 0}
    assert total([]) == Score(0, 0, 0)
