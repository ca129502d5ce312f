"""Logits to probabilities, and sums of these."""

from __future__ import annotations

import numpy as np


def probabilities(logits: np.ndarray, *, multi_label: bool) -> np.ndarray:
    """float32 [..., L] -> float32 [..., L]: softmax; sigmoid for multi-label models and for L = 1.

    A head with one label is trained with a sigmoid (`BCEWithLogitsLoss`); its softmax is always 1.
    """
    return sigmoid(logits) if multi_label or logits.shape[-1] == 1 else softmax(logits)


def softmax(logits: np.ndarray) -> np.ndarray:
    """float32 [..., L] -> float32 [..., L]; every row sums to 1, also for logits of inf or NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        exp = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf), dtype=np.float32)
        total = exp.sum(axis=-1, keepdims=True)
        broken = ~np.isfinite(total[..., 0])
        exp /= total
    if broken.any():
        exp[broken] = softmax(np.nan_to_num(logits[broken], nan=-1e9, posinf=1e9, neginf=-1e9))
    return np.asarray(exp)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """float32 [..., L] -> float32 [..., L], for multi-label heads; NaN becomes 0."""
    half = np.nan_to_num(logits, nan=-1e9, posinf=1e9, neginf=-1e9) * np.float32(0.5)
    return np.asarray((np.tanh(half) + np.float32(1)) * np.float32(0.5))


def columns(groups: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
    """The labels of each group for `sums`, int64 [K, size of the largest group], padded with L.

    groups: int [L], the group of each label, 0 to K - 1; among: bool [L], labels that count, all by default.
    """
    found = [np.flatnonzero((groups == k) & (True if among is None else among)) for k in range(int(groups.max()) + 1)]
    most = max(map(len, found))
    return np.stack([np.pad(labels, (0, most - len(labels)), constant_values=len(groups)) for labels in found])


def sums(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float32 [N, L], `columns` [K, most] -> float32 [N, K], the probability of each group of labels.

    Without a matmul: BLAS threads keep spinning after each one, on the cores that the engine needs.
    """
    total = np.zeros((len(probabilities), len(labels)), probabilities.dtype)
    for column in labels.T:
        real = column < probabilities.shape[1]
        if real.all():
            total += probabilities[:, column]
        else:
            total[:, real] += probabilities[:, column[real]]
    return total
