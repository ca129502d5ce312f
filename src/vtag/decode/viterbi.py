"""The most probable legal label path, exactly, for a batch of sequences at once.

Three facts make it fast without changing the result. Every edge from one span (or outside) to another is legal whatever
the types, so one maximum over all closing labels serves all opening ones; only the few edges inside a span are computed
one by one. Sequences are sorted by length, so that step t is one array operation over those that are long enough,
without padding. And where "outside" certainly wins (see `_certain`), a sequence is split.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from vtag.decode.scheme import Scheme

_TINY = np.float32(1e-30)
# Sequences that are decoded together: few enough for the arrays of a step to stay in the CPU's cache.
_GROUP = 512


@dataclass(frozen=True, slots=True)
class Biases:
    """Added to the log probability of legal edges, by kind of edge; positive values favour it."""

    background_stay: float = 0.0
    background_to_start: float = 0.0
    inside_to_continue: float = 0.0
    inside_to_end: float = 0.0
    end_to_background: float = 0.0
    end_to_start: float = 0.0

    @property
    def spread(self) -> float:
        """The largest difference between the biases of two edges."""
        values: list[float] = [getattr(self, field.name) for field in fields(self)]
        return max(*values, 0.0) - min(*values, 0.0)


NO_BIASES = Biases()


def best_paths(
    probabilities: np.ndarray, lengths: np.ndarray, scheme: Scheme, biases: Biases = NO_BIASES
) -> np.ndarray:
    """The most probable legal path of each sequence; ties go to the lowest ids (from the end back).

    probabilities: float32 [N, L], the rows of all sequences, concatenated.
    lengths: int [B], rows of each; they sum to N.
    Returns int32 [N].
    """
    if scheme.transition.all() and not biases.spread:
        return np.asarray(probabilities.argmax(axis=1), np.int32)
    weights = _weights(scheme, biases)
    starts = np.cumsum(lengths) - lengths
    certain = _certain(probabilities, scheme, biases)
    path = np.zeros(len(probabilities), np.int32)
    if certain is not None:
        path[certain] = int(np.flatnonzero(scheme.outside)[0])
        # With biases, a run includes the certain rows at its sides, as an edge's bias belongs to the run.
        starts, lengths = _runs(~certain, starts, lengths, widen=bool(biases.spread))
    order = np.argsort(-lengths, kind="stable")
    for at in range(0, len(order), _GROUP):
        group = order[at : at + _GROUP]
        _decode(probabilities, starts[group], lengths[group], scheme, weights, path)
    return path


def _weights(scheme: Scheme, biases: Biases) -> np.ndarray:
    """float64 [L, L]: the bias of each legal edge, -inf for the others."""
    outside = scheme.outside
    opens, closes = scheme.start & ~outside, scheme.end & ~outside
    weights = np.zeros(scheme.transition.shape)
    weights[np.ix_(outside, outside)] = biases.background_stay
    weights[np.ix_(outside, opens)] = biases.background_to_start
    weights[np.ix_(closes, outside)] = biases.end_to_background
    weights[np.ix_(closes, opens)] = biases.end_to_start
    ends = np.array([prefix == "E" for prefix in scheme.prefixes])
    # In IO and IOB1 the edge that continues a span may also leave it; it counts as leaving.
    inner = scheme.joined & ~(scheme.end[:, None] & scheme.start[None, :])
    weights = np.where(inner, np.where(ends, biases.inside_to_end, biases.inside_to_continue), weights)
    return np.where(scheme.transition, weights, -np.inf)


def _log(probabilities: np.ndarray) -> np.ndarray:
    """float64; fmax replaces 0 and NaN by a tiny number, because their log is undefined."""
    return np.asarray(np.log(np.fmax(probabilities, _TINY)), np.float64)


def _certain(probabilities: np.ndarray, scheme: Scheme, biases: Biases) -> np.ndarray | None:
    """bool [N]: rows where the best path must be outside, or None where this cannot be decided.

    A span over row t can be replaced by outside legally, so it stays only if it gains. The gain of any span over t is
    at most the row's own gain plus the best sums of gains to its left and right (which may run into the neighbouring
    sequences: the bound only becomes looser).
    """
    outside = np.flatnonzero(scheme.outside)
    separable = (scheme.joined | ~scheme.transition | (scheme.end[:, None] & scheme.start[None, :])).all()
    if len(outside) != 1 or not separable:
        return None
    at = outside[0]
    others = [part.max(axis=1) for part in (probabilities[:, :at], probabilities[:, at + 1 :]) if part.shape[1]]
    gain = _log(np.fmax(others[0], others[-1])) - _log(probabilities[:, at]) + biases.spread
    # 1e-6 exceeds the rounding errors of the sums.
    return np.asarray(_best_sum(gain) + _best_sum(gain[::-1])[::-1] - gain < -biases.spread - 1e-6)


def _best_sum(gain: np.ndarray) -> np.ndarray:
    """float64 [N]: the largest sum of a range that ends at each row."""
    total = np.cumsum(gain)
    return np.asarray(total - np.minimum.accumulate(np.concatenate([[0.0], total[:-1]])))


def _runs(open_rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray, widen: bool) -> tuple[np.ndarray, np.ndarray]:
    """Start and length of each run of `open_rows`, cut at the ends of sequences."""
    begins = np.zeros(len(open_rows) + 1, bool)
    begins[starts[lengths > 0]] = True
    first = open_rows & (begins[:-1] | ~np.concatenate([[False], open_rows[:-1]]))
    last = open_rows & (np.append(begins[1:-1], True) | ~np.append(open_rows[1:], False))
    run_starts, run_ends = np.flatnonzero(first), np.flatnonzero(last) + 1
    if widen:
        run_starts = run_starts - ~begins[run_starts]
        stops = np.append(begins[1:-1], True)
        run_ends = run_ends + ~stops[run_ends - 1]
    return run_starts, run_ends - run_starts


def _decode(
    probabilities: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    scheme: Scheme,
    weights: np.ndarray,
    path: np.ndarray,
) -> None:
    """Write the best paths of sequences, sorted by falling length, into `path`."""
    steps = int(lengths[0]) if len(lengths) else 0
    active = np.searchsorted(-lengths, -np.arange(steps), side="left")  # sequences longer than t
    outside, opens = np.flatnonzero(scheme.outside), np.flatnonzero(scheme.start & ~scheme.outside)
    closes = np.flatnonzero(scheme.end & ~scheme.outside)
    crossing = _crossing(weights, outside, opens, closes)
    local_to, local_from, local_weight = _local(scheme, weights)
    into = np.ascontiguousarray(weights.T)
    totals: list[np.ndarray] = []  # per step float64 [L, active]: the score of the best path that ends in each label
    for t in range(steps):
        n = active[t]
        emission = _log(probabilities[starts[:n] + t]).T
        if t == 0:
            totals.append(np.where(scheme.start[:, None], emission, -np.inf))
            continue
        before = totals[-1][:, :n]
        if n == 1:  # one long document: the number of calls matters more than the number of operations
            totals.append((into + before[:, 0]).max(axis=1)[:, None] + emission)
            continue
        total = np.full(before.shape, -np.inf)
        leaving = [before[rows].max(axis=0) if len(rows) else np.full(n, -np.inf) for rows in (outside, closes)]
        total[outside] = np.maximum(leaving[0] + crossing[0, 0], leaving[1] + crossing[1, 0])
        total[opens] = np.maximum(leaving[0] + crossing[0, 1], leaving[1] + crossing[1, 1])
        if len(local_to):
            inside = (before[local_from[0]]) + local_weight[0]
            for sources, weight in zip(local_from[1:], local_weight[1:], strict=True):
                np.maximum(inside, before[sources] + weight, out=inside)
            total[local_to] = np.maximum(total[local_to], inside)
        total += emission
        totals.append(total)
    last = np.where(scheme.end, 0.0, -np.inf)
    label = np.zeros(0, np.int64)
    for t in range(steps - 1, -1, -1):
        done = len(label)
        total = totals[t]
        ended = (total[:, done:].T + last).argmax(axis=1)
        label = np.concatenate([(total[:, :done].T + into[label]).argmax(axis=1), ended])
        path[starts[: len(label)] + t] = label


def _crossing(weights: np.ndarray, outside: np.ndarray, opens: np.ndarray, closes: np.ndarray) -> np.ndarray:
    """float64 [2, 2]: the weight from (outside, closing) labels to (outside, opening) ones; equal within each kind."""
    found = np.zeros((2, 2))
    for i, sources in enumerate((outside, closes)):
        for j, targets in enumerate((outside, opens)):
            if len(sources) and len(targets):
                found[i, j] = weights[sources[0], targets[0]]
    return found


def _local(scheme: Scheme, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges within a type that `_crossing` does not cover: targets [Q], their sources [K, Q], weights [K, Q, 1]."""
    local = scheme.transition & ~(scheme.end[:, None] & scheme.start[None, :])
    targets = np.flatnonzero(local.any(axis=0))
    most = int(local.sum(axis=0).max(initial=0))
    sources = np.argsort(~local[:, targets], axis=0, kind="stable")[:most]
    legal = np.take_along_axis(local[:, targets], sources, axis=0)
    weight = np.where(legal, weights[sources, targets[None, :]], -np.inf)
    return targets, sources, weight[:, :, None]
