"""The few sizes that matrices have on a CPU.

oneDNN makes code for each shape that it meets and keeps it: some 0.2 ms and half a MB each (docs/measurements.md, Small
models). Texts come in any number and length, so what is computed together is filled up to one of a few sizes.
"""

from __future__ import annotations

from typing import Any

# Sizes of a matrix in tokens, for `rounded`: 2 % more work.
TOKENS_PER_OCTAVE = 16
# Of the widest activations of a row, and of a row in all. Each row costs some Python a layer, which more cache does not
# make up for; of a small model a larger one gains nothing, and touches more memory for the first time (2 µs a page).
ROW_BYTES, ROW_TOKENS = 32 << 20, 1 << 14
# Of a row that has a core of its own.
CORE_ROW_BYTES = 8 << 20
# On a GPU, where a row costs some 150 launches and no cache is large enough. Chosen, not measured.
CUDA_ROW_BYTES, CUDA_ROW_TOKENS = 512 << 20, 1 << 16


def row_tokens(config: Any, itemsize: int, cores: int = 1, cuda: bool = False) -> int:
    """How many tokens of a model to run at once, in a dtype of so many bytes; of several cores, each of them."""
    text = config.get_text_config()
    width = getattr(text, "intermediate_size", None) or 4 * text.hidden_size
    row_bytes = CUDA_ROW_BYTES if cuda else ROW_BYTES if cores == 1 else CORE_ROW_BYTES
    return min(max(512, int(row_bytes // (width * itemsize))), CUDA_ROW_TOKENS if cuda else ROW_TOKENS)


def rounded(count: int, per_octave: int) -> int:
    """The next of the sizes, of which `per_octave`, a power of two, lie from each power of two to before the next."""
    step = max(1, (1 << (count - 1).bit_length()) // (2 * per_octave))
    return -(-count // step) * step
