"""The few sizes that matrices have on a CPU.

oneDNN makes code for each shape that it meets and keeps it: some 0.2 ms and half a MB each (docs/measurements.md, Small
models). Texts come in any number and length, so what is computed together is filled up to one of a few sizes.
"""

from __future__ import annotations

# Sizes of a matrix in tokens, for `rounded`: 2 % more work.
TOKENS_PER_OCTAVE = 16


def rounded(count: int, per_octave: int) -> int:
    """The next of the sizes, of which `per_octave`, a power of two, lie from each power of two to before the next."""
    step = max(1, (1 << (count - 1).bit_length()) // (2 * per_octave))
    return -(-count // step) * step
