"""torch internals: oneDNN matmuls, the number of threads, CPU features, C++ warnings, process groups."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# A level above warnings.
CPP_ERROR = 2
CPP_LEVEL = "FLAGS_caffe2_log_level"


def laid_out(weight: torch.Tensor, tokens: int) -> torch.Tensor:
    """A weight [out, in] in oneDNN's layout for so many tokens; only `matmul` reads it."""
    out: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, tokens)
    return out


def matmul(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """The matmul of [..., in] and a weight that is `laid_out`: [..., out]."""
    out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return out


def takes_bf16() -> bool:
    """Whether oneDNN supports bfloat16 on this CPU, ignoring environment variables."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def has_amx() -> bool:
    """Whether the CPU has AMX."""
    return bool(torch.cpu._is_amx_tile_supported())


def set_threads(count: int) -> None:
    """Set torch's number of threads, for this thread and for later ones.

    `torch.set_num_threads` does not work here: vLLM replaces it by a function that does nothing.
    """
    torch._C.set_num_threads(count)


@contextmanager
def no_warnings_in_cpp() -> Iterator[None]:
    """Suppress warnings of torch's C++ code: TORCH_CPP_LOG_LEVEL sets their level when torch is
    loaded, Python cannot.
    """
    try:
        level = ctypes.c_int.in_dll(ctypes.CDLL("libc10.so"), CPP_LEVEL)
    except (OSError, ValueError):  # not loaded, or renamed: warnings stay
        yield
        return
    before = level.value
    level.value = max(before, CPP_ERROR)
    try:
        yield
    finally:
        level.value = before


def keep_process_groups() -> None:
    """In a fork: never destroy the parent's process groups.

    Gloo's destructor waits for threads that do not exist in this process; an extra reference keeps it from running.
    """
    for group in process_groups():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(group))


def process_groups() -> list[torch.distributed.ProcessGroup]:
    """All process groups of this process: torch's list of them, or at least the default group."""
    from torch.distributed import distributed_c10d

    world = getattr(distributed_c10d, "_world", None)
    known = list(getattr(world, "pg_map", ()))
    return known or ([torch.distributed.group.WORLD] if torch.distributed.is_initialized() else [])
