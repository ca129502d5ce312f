"""Intervals are those of the bootstrap over records: known cases by arithmetic, others against drawing indices."""

from __future__ import annotations

from collections import Counter
from math import sqrt

import numpy as np
import pytest

from vtag.evaluation.bootstrap import LEVEL, REPLICATES, difference, draws, f1_interval


def test_two_records_give_the_three_values_of_a_binomial_distribution() -> None:
    # One record's span is found, the other's is missed: of two draws, k are the first kind, k ~ Bin(2, 1/2), and
    # F1 = 2k / (k + 2): 0, 2/3 and 1 with probabilities 1/4, 1/2 and 1/4.
    kinds = Counter({(1, 1, 1): 1, (0, 0, 1): 1})
    counts = draws(kinds, 0, 40_000)
    f1 = 2 * counts[:, 0] / (counts[:, 1] + counts[:, 2])
    for value, share in ((0, 0.25), (2 / 3, 0.5), (1, 0.25)):
        assert abs(np.isclose(f1, value).mean() - share) < 5 * sqrt(share * (1 - share) / 40_000)
    interval = f1_interval(kinds)
    assert (interval.low, interval.high, interval.records) == (0, 1, 2)


def test_many_records_give_the_interval_of_the_normal_distribution() -> None:
    # One gold and one found span a record, 80 % right: F1 is the share that is right, its deviation sqrt(.8 * .2 / n).
    records = 10_000
    interval = f1_interval(Counter({(1, 1, 1): 8_000, (0, 1, 1): 2_000}))
    half = 1.96 * sqrt(0.8 * 0.2 / records)
    assert interval.low == pytest.approx(0.8 - half, abs=half / 8)
    assert interval.high == pytest.approx(0.8 + half, abs=half / 8)
    assert (interval.level, interval.replicates, interval.seed) == (LEVEL, REPLICATES, 0)


def test_a_difference_of_pairs_is_as_sure_as_the_records_that_differ_say() -> None:
    # B is right where A is, and in 100 of 10,000 records besides: A's own interval is 4 times as wide.
    kinds = Counter({(1, 1, 1, 1, 1): 7_900, (0, 1, 1, 1, 1): 100, (0, 1, 0, 1, 1): 2_000})
    found = difference(kinds)
    half = 1.96 * sqrt(0.01 * 0.99 / 10_000)
    assert found.difference == pytest.approx(0.01)
    assert found.interval.low == pytest.approx(0.01 - half, abs=half / 8)
    assert found.interval.high == pytest.approx(0.01 + half, abs=half / 8)
    assert found.not_better == 0


def test_equal_systems_differ_by_nothing() -> None:
    found = difference(Counter({(1, 2, 1, 2, 3): 40, (0, 0, 0, 0, 1): 7}))
    assert (found.difference, found.interval.low, found.interval.high, found.not_better) == (0, 0, 0, 1)


def test_drawing_kinds_of_records_has_the_distribution_of_drawing_records() -> None:
    chance = np.random.default_rng(3)
    rows = [tuple(map(int, row)) for row in np.sort(chance.integers(0, 4, (200, 3)), axis=1)]
    table = np.array(rows)
    by_index = table[np.random.default_rng(4).integers(0, 200, (4_000, 200))].sum(axis=1)
    by_kind = draws(Counter(rows), 5, 4_000)
    for moment in (np.mean, np.std):
        assert moment(by_kind, axis=0) == pytest.approx(moment(by_index, axis=0), rel=0.06)
    assert np.corrcoef(by_kind.T) == pytest.approx(np.corrcoef(by_index.T), abs=0.06)


def test_a_seed_gives_the_same_interval_whatever_the_order_of_the_records() -> None:
    kinds = {(1, 1, 1): 3, (0, 1, 1): 2, (0, 0, 1): 4}
    backwards = Counter(dict(reversed(kinds.items())))
    assert f1_interval(Counter(kinds), 7) == f1_interval(backwards, 7)
    assert f1_interval(Counter(kinds), 7) != f1_interval(Counter(kinds), 8)
