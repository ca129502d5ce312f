"""The device that vLLM runs on here, the CPU cores that this process may use, and the dtype that suits both."""

from __future__ import annotations

import os

from vtag.system import cpu


def cores() -> list[int]:
    """The CPU cores this process may use."""
    return sorted(os.sched_getaffinity(0))


def few_cores() -> bool:
    """Whether work beside the engine slows the engine down more than it gains (measured on two cores)."""
    return not on_cuda() and len(cores()) <= 2


def on_cuda() -> bool:
    """Whether vLLM runs on CUDA here."""
    from vllm.platforms import current_platform

    return bool(current_platform.is_cuda_alike())


def dtype() -> str:
    """bfloat16 where the hardware supports it, else float32 (vLLM's default would be float16, which CPUs emulate)."""
    if on_cuda():
        import torch
        from vllm.platforms import current_platform

        # torch's own check would start CUDA in this process, and the engine could not be a fork of it any more.
        return "bfloat16" if torch.bfloat16 in current_platform.supported_dtypes else "float16"
    return "bfloat16" if cpu.has_bf16() else "float32"
