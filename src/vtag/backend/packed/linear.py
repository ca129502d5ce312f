"""Matmuls on CPU: weights are laid out for oneDNN once, at load, in the model's dtype or in int8.

Replaces `nn.Linear` everywhere in the module, so that any architecture benefits. Activation functions stay separate:
fused into the matmul, GELU and the residual cost oneDNN more than they save (benchmarks/LOG.md).
"""

from __future__ import annotations

import weakref

import torch
from torch import nn

from vtag.backend.packed.shapes import TOKENS_PER_OCTAVE, rounded
from vtag.compat import torch_cpu
from vtag.errors import error
from vtag.system import cpu
from vtag.system.int8 import saturates

# vLLM's int8 matmul keeps a float32 for each output until it is multiplied by its token's scale. While these fit into
# the cache that costs a tenth of the speed; for a whole row, half to three quarters.
CACHED_BYTES = 4 << 20
# oneDNN chooses the weights' layout for a number of tokens; from a few dozen on it is the same.
TOKENS = 1024


class PackedLinear(nn.Module):
    """`nn.Linear` with its weight in oneDNN's own layout."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = torch_cpu.laid_out(linear.weight.detach(), TOKENS)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Rows already have one of a few sizes; groups of equal length have any.
        tokens = x.numel() // x.shape[-1]
        more = rounded(tokens, TOKENS_PER_OCTAVE) - tokens if tokens else 0
        padded = nn.functional.pad(x.reshape(tokens, -1), (0, 0, 0, more)) if more else x
        out = torch_cpu.matmul(padded, self.weight, self.bias)
        return out[:tokens].view(*x.shape[:-1], -1) if more else out


class LastQuantized:
    """Caches the last quantised activations: query, key and value layers quantise the same ones in turn."""

    def __init__(self) -> None:
        self._of: weakref.ref[torch.Tensor] | None = None
        self._for: int | None = None
        self._value: tuple[torch.Tensor, torch.Tensor] | None = None

    def get(self, x: torch.Tensor, parent: int) -> tuple[torch.Tensor, torch.Tensor]:
        """int8 [tokens, in] and the scale of each token, float32 [tokens, 1]."""
        if self._value is None or self._for != parent or self._of is None or self._of() is not x:
            from vtag.compat.vllm_kernels import quantised

            self._of, self._for, self._value = weakref.ref(x), parent, quantised(x.reshape(-1, x.shape[-1]))
        return self._value


class Int8Linear(nn.Module):
    """`nn.Linear` in int8: one scale for the weights of each output, one for the activations of each token.

    pairwise: see `to_int8`; by default what this CPU needs.
    """

    def __init__(self, linear: nn.Linear, parent: nn.Module, last: LastQuantized, pairwise: bool | None = None) -> None:
        super().__init__()
        from vtag.compat.vllm_kernels import Int8Weights

        weight = linear.weight.detach()
        int8, scales = to_int8(weight, saturates() if pairwise is None else pairwise)
        self.weights = Int8Weights(int8, scales, weight.dtype)
        self.bias = None if linear.bias is None else linear.bias.detach()
        self.out_features = linear.out_features
        # A power of two, like the steps between sizes of rows, so that no new sizes occur.
        self.step = 1 << max(CACHED_BYTES // (4 * linear.out_features), 64).bit_length() - 1
        # Some modules read the dtype of a layer's weight.
        self.weight = linear.weight.detach().new_empty(0)
        self.last, self.parent = last, id(parent)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        int8, scales = self.last.get(x, self.parent)
        out = x.new_empty(len(int8), self.out_features)
        for part in zip(int8.split(self.step), scales.split(self.step), out.split(self.step), strict=True):
            self.weights.multiply(*part, bias=self.bias)
        return out.view(*x.shape[:-1], self.out_features)


def to_int8(weight: torch.Tensor, pairwise: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """[out, in] -> int8 [out, in] of up to 127, and the scale of each output, float32 [out, 1].

    pairwise: limits the sum of two neighbours of one sign to 128, for CPUs where larger sums saturate (`saturates`).
    That is 7 bits a weight at worst, and nearly 8 where few weights are large.
    """
    weight = weight.float()
    largest = weight.abs().amax(dim=1, keepdim=True)
    if pairwise:
        signs = nn.functional.pad(torch.stack([weight, -weight]), (0, weight.shape[1] % 2)).clamp_(min=0)
        largest = signs.unflatten(2, (-1, 2)).sum(3).amax(dim=(0, 2))[:, None]
    scales = (largest / 127).clamp_(min=1e-12)
    return (weight / scales).round_().to(torch.int8), scales


# MoE routers stay in full precision: routing is sensitive to rounding.
NEVER_INT8 = ("gate", "router")


def prepare(model: nn.Module, int8: bool = False) -> None:
    """Replace the linear layers of the model below its head, in place."""
    last = LastQuantized()
    replaced: dict[nn.Module, nn.Module] = {}
    for parent in list(model.base_model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is not nn.Linear:
                continue
            if child not in replaced:
                to_int8 = int8 and name not in NEVER_INT8
                replaced[child] = Int8Linear(child, parent, last) if to_int8 else packed(child)
            setattr(parent, name, replaced[child])
    if int8 and not any(isinstance(layer, Int8Linear) for layer in replaced.values()):
        raise error("nothing_int8", model_type=model.config.model_type)


def packed(linear: nn.Linear) -> nn.Module:
    """The layer with its weight in oneDNN's layout, or unchanged where oneDNN does not support the
    dtype on this CPU.
    """
    bf16 = linear.weight.dtype == torch.bfloat16
    able = _onednn_takes_bf16() if bf16 else linear.weight.dtype == torch.float32
    return PackedLinear(linear) if torch.backends.mkldnn.is_available() and able else linear


def _onednn_takes_bf16() -> bool:
    """True from AVX512 on; torch checks only the CPU, and not oneDNN's limit."""
    lowered = "AVX512" in cpu.hardware() and "AVX512" not in cpu.features()
    return torch_cpu.takes_bf16() and not lowered
