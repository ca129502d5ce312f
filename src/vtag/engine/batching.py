"""Windows to requests, and requests to steps of the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vtag.errors import error


def logits_of(output: Any, name: str) -> np.ndarray:
    """The logits of a request, float32 [tokens, labels], from vLLM's output; raises ModelError for NaN or infinity.

    Decoding would turn those into plausible answers: no spans, or the first label everywhere.
    """
    logits: np.ndarray = output.outputs.data.float().numpy()
    if not np.isfinite(logits).all():
        raise error("logits_not_finite", model=name)
    return logits


def requests(lengths: Sequence[int] | np.ndarray, limit: int) -> Iterator[np.ndarray]:
    """Indices of the windows of each request, int64: at most `limit` tokens a request, in requests of about equal size.

    Sorted by length, so that a request holds few different lengths: texts of similar length are computed together.
    """
    order = np.argsort(lengths, kind="stable")
    ends = np.cumsum(np.asarray(lengths, dtype=np.int64)[order])
    first = 0
    while first < len(order):
        used = int(ends[first - 1]) if first else 0
        left = int(ends[-1]) - used
        share = -(-left // -(-left // limit))
        last = int(np.searchsorted(ends, used + share)) + 1
        if ends[last - 1] - used > limit:
            last = max(last - 1, first + 1)
        yield order[first:last]
        first = last


def steps(lengths: Sequence[int] | np.ndarray, limit: int, count: int) -> Iterator[np.ndarray]:
    """Indices of the windows that vLLM's scheduler runs in one step, int64, in order: `limit` tokens, `count` windows.

    A window longer than `limit` is alone, and vLLM runs it in several steps.
    """
    first = used = 0
    for i, length in enumerate(lengths):
        if i > first and (used + length > limit or i - first == count):
            yield np.arange(first, i)
            first, used = i, 0
        used += length
    if len(lengths):
        yield np.arange(first, len(lengths))
