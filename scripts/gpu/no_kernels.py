"""In place of vLLM's compiled module in a bundle: no kernel is computed here.

vLLM asks at import which matrix products there are: none. Layers look for `silu_and_mul` when they are made, and call
it only where `custom_ops` says so: it has a name and no implementation. The model runner of GPUs reads buffers in
pinned host memory through `get_cuda_view_from_cpu_tensor`: it is implemented here, in Python.
"""

from types import SimpleNamespace

import torch


def cuda_view(tensor: torch.Tensor) -> torch.Tensor:
    """A CUDA tensor on the memory of a contiguous CPU tensor in pinned memory: with unified addressing, both have the
    same address.

    Through https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html, as bytes: it has no bfloat16.
    """
    flat = tensor.reshape(-1).view(torch.uint8)
    interface = {"shape": tuple(flat.shape), "typestr": "|u1", "data": (flat.data_ptr(), False), "version": 3}
    # torch keeps this object while the view lives, and with it the memory.
    array = SimpleNamespace(__cuda_array_interface__=interface, memory=flat)
    return torch.as_tensor(array, device="cuda").view(tensor.dtype).view(tensor.shape)


library = torch.library.Library("_C", "FRAGMENT")
for name in ("fp8", "block_fp8", "fp4"):
    library.define(f"cutlass_scaled_mm_supports_{name}(int capability) -> bool")
    library.impl(f"cutlass_scaled_mm_supports_{name}", lambda capability: False, "CompositeExplicitAutograd")
library.define("silu_and_mul(Tensor! result, Tensor input) -> ()")
library.define("get_cuda_view_from_cpu_tensor(Tensor cpu_tensor) -> Tensor")
library.impl("get_cuda_view_from_cpu_tensor", cuda_view, "CPU")
