"""Whether int8 matmuls are correct on this CPU for weights of full 8 bits."""

from __future__ import annotations

from functools import cache

import torch


@cache
def saturates() -> bool:
    """Whether this CPU's int8 matmuls are wrong for large weights.

    Without VNNI, x86 multiplies unsigned activations by signed weights and adds pairs of results in 16 bits, where 255
    * (127 + 127) overflows and 255 * (64 + 64) does not:
    https://uxlfoundation.github.io/oneDNN/dev_guide_int8_computations.html.
    ONNX Runtime's `reduce_range` therefore takes a bit from every weight; limiting pairs costs less accuracy
    (benchmarks/LOG.md, Every CPU). This function runs the matmul itself, so the result holds on every CPU and under
    every limit of oneDNN.
    """
    from vtag.compat.vllm_kernels import Int8Weights, quantised

    size = 64
    # Each dtype is explicit: while vLLM loads a model, torch's default dtype is the model's.
    largest = torch.full((size, size), 127, dtype=torch.int8)
    scales = torch.full((size, 1), 1 / 127, dtype=torch.float32)
    weights = Int8Weights(largest, scales, torch.float32)
    out = torch.empty(32, size, dtype=torch.float32)
    weights.multiply(*quantised(torch.ones(32, size, dtype=torch.float32)), out, bias=None)
    return not torch.allclose(out, torch.full_like(out, size), rtol=1e-3)
