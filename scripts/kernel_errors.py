"""How far products of random numbers are off on this CPU: a table of shapes, as benchmarks/LOG.md shows it.

`python scripts/lower_cpu.py all .venv/bin/python scripts/kernel_errors.py` shows it for each level the CPU reaches.
"""

from __future__ import annotations

import os

import torch

from vtag.backend import kernels
from vtag.backend.packed.linear import Int8Linear, LastQuantized, packed
from vtag.system import cpu

# Of BERT-base's and MiniLM's layers, (in, out).
SHAPES = ((384, 384), (384, 1536), (768, 768), (768, 3072), (3072, 768))
ROWS: dict[str, tuple[kernels.Make, torch.dtype]] = {
    "float32": (packed, torch.float32),
    "bfloat16": (packed, torch.bfloat16),
    "int8, each weight": (lambda layer: Int8Linear(layer, layer, LastQuantized(), False), torch.float32),
    "int8, pairs": (lambda layer: Int8Linear(layer, layer, LastQuantized(), True), torch.float32),
}


def main() -> None:
    """Print it."""
    level = os.environ.get("ONEDNN_MAX_CPU_ISA", "as it is")
    print(f"{cpu.describe()}; int8: {kernels.describe_int8()}\n")
    print("| level | numbers | in × out | mean | largest |\n|---|---|---|---|---|")
    for numbers, (make, dtype) in ROWS.items():
        for shape in SHAPES:
            found = kernels.largest_error(kernels.matmul_results(make, dtype, shape))
            print(f"| {level} | {numbers} | {shape[0]} × {shape[1]} | {found.mean:.2g} | {found.largest:.2g} |")


if __name__ == "__main__":
    main()
