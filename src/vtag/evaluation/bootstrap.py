"""Intervals by the bootstrap over records (Efron 1979): how far the figures would move with other texts of this kind.

Records with equal counts are alike for every figure here, so a replicate draws how often each *kind* of record occurs:
a multinomial draw over a few hundred kinds instead of an index for each of 300,000 records, with the same distribution.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

REPLICATES = 1_000
LEVEL = 0.95
# Fewer records than this make an interval that says little.
FEW = 30
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile interval of a figure."""

    low: float
    high: float
    level: float
    replicates: int
    seed: int
    records: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Paired bootstrap of F1 of B less that of A. not_better: the share of replicates where B is no better than A."""

    difference: float
    interval: Interval
    not_better: float


def f1_interval(kinds: Counter[tuple[int, int, int]], seed: int = 0, replicates: int = REPLICATES) -> Interval:
    """The interval of micro F1.

    kinds: how many records have so many right, found and gold spans.
    """
    counts = draws(kinds, seed, replicates)
    return _interval(_f1(counts[:, 0], counts[:, 1] + counts[:, 2]), kinds, seed)


def difference(
    kinds: Counter[tuple[int, int, int, int, int]], seed: int = 0, replicates: int = REPLICATES
) -> Difference:
    """Of two systems over the same records.

    kinds: how many records have so many right and found spans of A, right and found spans of B, and gold spans.
    """
    counts = draws(kinds, seed, replicates)
    of_all = np.array([np.sum([np.array(kind) * times for kind, times in kinds.items()], axis=0)]).reshape(-1, 5)
    found = _less(counts)
    return Difference(float(_less(of_all)[0]), _interval(found, kinds, seed), float((found <= 0).mean()))


def draws(kinds: Mapping[Any, int], seed: int, replicates: int) -> np.ndarray:
    """int64 [replicates, figures]: the sums over records that are drawn with replacement, as many as there are."""
    ordered = sorted(kinds)  # so that the order of the records does not matter
    rows = np.array(ordered, np.int64)
    times = np.array([kinds[kind] for kind in ordered], np.int64)
    records = int(times.sum())
    random = np.random.default_rng(seed)
    parts = [
        random.multinomial(records, times / records, size=min(_AT_ONCE, replicates - at)) @ rows
        for at in range(0, replicates, _AT_ONCE)
    ]
    return np.concatenate(parts)


def _less(counts: np.ndarray) -> np.ndarray:
    """F1 of B less that of A."""
    right_a, found_a, right_b, found_b, gold = counts.T
    return _f1(right_b, found_b + gold) - _f1(right_a, found_a + gold)


def _f1(right: np.ndarray, both: np.ndarray) -> np.ndarray:
    return np.where(both > 0, 2 * right / np.maximum(both, 1), 0.0)


def _interval(values: np.ndarray, kinds: Mapping[Any, int], seed: int) -> Interval:
    edges = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(edges[0]), float(edges[1]), LEVEL, len(values), seed, sum(kinds.values()))
