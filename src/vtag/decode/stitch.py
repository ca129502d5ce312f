"""Windows back to whole texts: one row per token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vtag.types import Encoding, Window


def stitch(
    encodings: Sequence[Encoding],
    windows: Sequence[Window],
    rows: Sequence[np.ndarray],
    labels: int,
    *,
    causal: bool = False,
) -> list[np.ndarray]:
    """The rows of each text: float32 [T, L], averaged where windows overlap; a text with one window keeps its rows.

    rows: one float32 [len(window.ids), L] per window, logits or probabilities; L = `labels`. A row's weight is the
    token's context in that window: on the shorter side; for `causal` models, on the left.
    """
    whole = [np.zeros((0, labels), np.float32)] * len(encodings)
    total: dict[int, np.ndarray] = {}
    for window, of_window in zip(windows, rows, strict=True):
        size = len(encodings[window.text].ids)
        part = of_window[window.prefix : window.prefix + window.end - window.start]
        if len(part) == size:
            whole[window.text] = part
            continue
        if window.text not in total:
            whole[window.text] = np.zeros((size, labels), np.float32)
            total[window.text] = np.zeros((size, 1), np.float32)
        weight = _context(window, size, causal)[:, None]
        whole[window.text][window.start : window.end] += weight * part
        total[window.text][window.start : window.end] += weight
    for text, weight in total.items():
        whole[text] /= weight
    return whole


def _context(window: Window, size: int, causal: bool) -> np.ndarray:
    """float32 [tokens]: 1 + the number of tokens on a token's shorter side; the ends of the text count as unlimited
    context.
    """
    at = np.arange(1, window.end - window.start + 1, dtype=np.float32)
    left = at if window.start else np.full_like(at, size)
    right = at[::-1] if window.end < size and not causal else np.full_like(at, size)
    return np.minimum(left, right)
