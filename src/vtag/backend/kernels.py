"""A check of each kernel before the first text: its results on random numbers, compared with float64.

A kernel that is wrong on one kind of CPU gives results that look plausible. So each kernel is tested once a process,
which takes milliseconds; too large an error raises EngineError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from typing import NamedTuple

import torch
from torch import nn

from vtag.backend.packed import attention
from vtag.backend.packed.linear import Int8Linear, LastQuantized, packed, to_int8
from vtag.errors import error, reason
from vtag.system import cpu
from vtag.system.int8 import saturates


class Deviation(NamedTuple):
    """The error of a kernel's results, relative to the root mean square of the exact ones: the mean,
    and the largest.
    """

    mean: float
    largest: float


# At least three times the error of correct kernels (benchmarks/LOG.md, Every CPU).
BOUNDS = {
    "float32": Deviation(1e-5, 1e-4),
    "float16": Deviation(2e-3, 2e-2),
    "bfloat16": Deviation(1e-2, 8e-2),
    "int8": Deviation(3e-2, 15e-2),
}
# Shapes (in, out): one that is no multiple of a kernel's block size, and one that is, for which vLLM has other kernels
# with AMX.
SHAPES = ((300, 90), (256, 96))
# Numbers of tokens: one, a short text, and a row of many.
TOKENS = (1, 7, 200)
# Lengths of texts for attention; the last is long enough for torch's fused attention.
LENS = (1, 5, 40, 41, attention.SHORT + 8)
HEADS, SIZE = 2, 32

Results = Iterator[tuple[torch.Tensor, torch.Tensor]]
Make = Callable[[nn.Linear], Callable[[torch.Tensor], torch.Tensor]]


def check(kernel: str, dtype: torch.dtype) -> None:
    """Raise EngineError if this one of `KERNELS` fails, or is inexact, on activations of this dtype."""
    of = numbers(kernel, dtype)
    about = {"kernel": kernel if of == "int8" else f"{kernel} in {of}", "cpu": cpu.describe()}
    try:
        found = measure(kernel, dtype)
    except RuntimeError as cause:
        raise error("kernel_failed", reason=reason(cause), **about) from cause
    bound = BOUNDS[of]
    if not within(found, bound):
        off, usual = (f"{one.mean:.2%} in the mean and {one.largest:.2%} at most" for one in (found, bound))
        raise error("kernel_wrong", off=off, usual=usual, **about)


def describe_int8() -> str:
    """What `quantization="int8"` means on this CPU, in a phrase."""
    limited = "weights of 7 to 8 bits, as products of full 8 bits saturate on this CPU"
    return limited if saturates() else "weights of 8 bits"


def within(found: Deviation, bound: Deviation) -> bool:
    """Whether neither error exceeds its bound."""
    return found.mean <= bound.mean and found.largest <= bound.largest


def numbers(kernel: str, dtype: torch.dtype) -> str:
    """The key of `BOUNDS` for this kernel and dtype."""
    return "int8" if kernel.endswith("int8") else str(dtype).removeprefix("torch.")


@cache
def measure(kernel: str, dtype: torch.dtype) -> Deviation:
    """The largest error over all tests of this kernel."""
    if kernel in MATMULS:
        return largest_error(chain.from_iterable(matmul_results(MATMULS[kernel], dtype, shape) for shape in SHAPES))
    return largest_error(attention_results(dtype))


@torch.inference_mode()
def largest_error(results: Results) -> Deviation:
    """The largest errors over pairs of a kernel's result and the exact one."""
    found = [_error(got, want) for got, want in results]
    return Deviation(max(one.mean for one in found), max(one.largest for one in found))


def _error(got: torch.Tensor, want: torch.Tensor) -> Deviation:
    off = (got.double() - want).abs() / want.square().mean().sqrt()
    return Deviation(*(float(part.nan_to_num(nan=torch.inf)) for part in (off.mean(), off.max())))


def matmul_results(make: Make, dtype: torch.dtype, shape: tuple[int, int]) -> Results:
    """Results of the layer that `make` returns for a linear layer of this shape, on several numbers of tokens."""
    random = torch.Generator().manual_seed(0)
    linear = nn.utils.skip_init(nn.Linear, *shape, dtype=dtype)
    # Uniform weights: many are nearly as large as the largest, so that saturation shows.
    bound = shape[0] ** -0.5
    for parameter in (linear.weight, linear.bias):
        parameter.uniform_(-bound, bound, generator=random)
    weight, bias = linear.weight.double(), linear.bias.double()
    layer = make(linear)
    for tokens in TOKENS:
        x = torch.randn(tokens, shape[0], generator=random, dtype=torch.float32).to(dtype)
        yield layer(x), x.double() @ weight.t() + bias


def attention_results(dtype: torch.dtype) -> Results:
    """Attention over a row of texts, compared with each text alone."""
    random = torch.Generator().manual_seed(0)
    shape = 3, HEADS, sum(LENS), SIZE
    row = torch.randn(shape, generator=random, dtype=torch.float32).to(dtype)
    query, key, value = row[:, None]
    with attention.packed(LENS, row.device):
        got, _ = attention.attend(nn.Module(), query, key, value, None)
    for out, text in zip(got[0].split(LENS), row.double().split(LENS, dim=2), strict=True):
        query, key, value = text
        weights = torch.softmax(query @ key.transpose(1, 2) * SIZE**-0.5, dim=-1)
        yield out, (weights @ value).transpose(0, 1)


def _vllm(linear: nn.Linear) -> Callable[[torch.Tensor], torch.Tensor]:
    """vLLM's matmul for a layer with these weights."""
    from vtag.compat import vllm_kernels

    return vllm_kernels.of_linear(linear)


def _vllm_int8(linear: nn.Linear) -> Callable[[torch.Tensor], torch.Tensor]:
    """vLLM's matmul for a layer of a checkpoint with int8 weights."""
    from vtag.compat import vllm_kernels

    return vllm_kernels.of_int8_checkpoint(*to_int8(linear.weight, saturates()), linear.bias)


# Keys are used in messages.
MATMULS: dict[str, Make] = {
    "linear layers": packed,
    "linear layers in int8": lambda linear: Int8Linear(linear, linear, LastQuantized()),
    "vLLM's linear layers": _vllm,
    "vLLM's linear layers in int8": _vllm_int8,
}
KERNELS = (*MATMULS, "attention")
