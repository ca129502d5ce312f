"""Logits to probabilities."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """float32 [..., L] -> float32 [..., L]; every row sums to 1, also where a model answered with inf or NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        exp = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf), dtype=np.float32)
        total = exp.sum(axis=-1, keepdims=True)
        broken = ~np.isfinite(total[..., 0])
        exp /= total
    if broken.any():
        exp[broken] = softmax(np.nan_to_num(logits[broken], nan=-1e9, posinf=1e9, neginf=-1e9))
    return np.asarray(exp)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """float32 [..., L] -> float32 [..., L], for heads whose labels do not exclude each other; NaN becomes 0."""
    half = np.nan_to_num(logits, nan=-1e9, posinf=1e9, neginf=-1e9) * np.float32(0.5)
    return np.asarray((np.tanh(half) + np.float32(1)) * np.float32(0.5))
