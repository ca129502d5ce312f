"""Whether int8 matrix products are right on this CPU for weights of full 8 bits."""

from __future__ import annotations

from functools import cache

import torch


@cache
def saturates() -> bool:
    """Whether this CPU's int8 products are wrong for large weights.

    Without VNNI, x86 multiplies unsigned activations by signed weights, and adds two such products in 16 bits, where
    255 * (127 + 127) does not fit and 255 * (64 + 64) does:
    https://uxlfoundation.github.io/oneDNN/dev_guide_int8_computations.html. ONNX Runtime's `reduce_range` therefore
    takes a bit from every weight; limiting pairs takes less (docs/measurements.md, Every CPU). The product itself is
    run, so the answer holds on every CPU and under every cap of oneDNN's.
    """
    from vtag.compat.vllm_kernels import Int8Weights, quantised

    size = 64
    # Each dtype is named: while vLLM loads a model, torch's default one is the model's.
    largest = torch.full((size, size), 127, dtype=torch.int8)
    scales = torch.full((size, 1), 1 / 127, dtype=torch.float32)
    weights = Int8Weights(largest, scales, torch.float32)
    out = torch.empty(32, size, dtype=torch.float32)
    weights.multiply(*quantised(torch.ones(32, size, dtype=torch.float32)), out, bias=None)
    return not torch.allclose(out, torch.full_like(out, size), rtol=1e-3)
