"""The few sizes that matrices have on a CPU.

oneDNN generates code for each shape and caches it: some 0.2 ms and half a MB each (benchmarks/LOG.md, Small models).
Texts vary in number and length, so matrices are padded to one of a few sizes.
"""

from __future__ import annotations

# Sizes of a matrix in tokens, for `rounded`: 2 % more work.
TOKENS_PER_OCTAVE = 16


def rounded(count: int, per_octave: int) -> int:
    """`count` rounded up to the next size; `per_octave`, a power of two, is the number of sizes between two powers of
    two.
    """
    step = max(1, (1 << (count - 1).bit_length()) // (2 * per_octave))
    return -(-count // step) * step
