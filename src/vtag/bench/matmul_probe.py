"""The time of a model's matmuls alone, as a lower bound for everything else."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vtag.backend.packed.linear import Int8Linear, PackedLinear
from vtag.compat.vllm_models import LinearBase
from vtag.types import Window

if TYPE_CHECKING:
    from vtag.engine.llm import LLM

# Each shape is timed for at least so many seconds and calls.
SECONDS, CALLS = 0.1, 4


@dataclass(slots=True)
class Matmul:
    """One weight shape: a layer that has it, its largest input, and the number of operations of all its calls."""

    layer: nn.Module
    input: torch.Tensor
    operations: int = 0


@dataclass(frozen=True, slots=True)
class Matmuls:
    """The matmuls of some windows.

    operations: two per multiplication, without padding.
    """

    shapes: list[Matmul]
    operations: float

    def speed(self, llm: LLM) -> float:
        """Operations a second of these matmuls alone, each at its best, on the engine's thread."""
        return float(llm.apply_model(self._speed)[0])

    @torch.inference_mode()
    def _speed(self, model: nn.Module) -> float:
        seconds = sum(one.operations * _best(one) for one in self.shapes)
        return sum(one.operations for one in self.shapes) / seconds


def probe(llm: LLM, windows: Sequence[Window]) -> Matmuls | None:
    """Run the windows and record the matmuls; None where the model has no linear layer that hooks can see."""
    found: dict[tuple[type, torch.Size], Matmul] = {}
    embedded: dict[nn.Module, int] = {}
    # Rows may run in parallel.
    one_at_a_time = threading.Lock()

    def saw(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
        x, out = inputs[0], output[0] if isinstance(output, tuple) else output
        shape = torch.Size((x.shape[-1], out.shape[-1]))
        with one_at_a_time:
            one = found.setdefault((type(layer), shape), Matmul(layer, x))
            one.operations += 2 * x.numel() * out.shape[-1]
            if x.numel() > one.input.numel():
                one.input = x

    def counted(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
        with one_at_a_time:
            embedded[layer] = embedded.get(layer, 0) + inputs[0].numel()

    def watch(model: nn.Module) -> list[Any]:
        linear = (PackedLinear, Int8Linear, nn.Linear, LinearBase)
        layers = [(layer, saw) for layer in model.modules() if isinstance(layer, linear)]
        layers += [(layer, counted) for layer in model.modules() if isinstance(layer, nn.Embedding)]
        return [layer.register_forward_hook(look) for layer, look in layers]

    def unwatch(model: nn.Module) -> None:
        for hook in hooks:
            hook.remove()
        for one in found.values():
            one.input = torch.randn(one.input.shape, device=one.input.device).to(one.input.dtype)

    # Tensors are used on the engine's thread only: another thread would have OpenMP workers of its own, which compete.
    hooks = llm.apply_model(watch)[0]
    try:
        llm.run(windows)
    finally:
        llm.apply_model(unwatch)
    if not found:
        return None
    # Rows are padded to one of a few sizes.
    real = sum(len(window.ids) for window in windows) / max(embedded.values(), default=0)
    return Matmuls(list(found.values()), min(real, 1) * sum(one.operations for one in found.values()))


def _best(one: Matmul) -> float:
    """Seconds for each operation, in the best of several calls."""
    one.layer(one.input)
    times: list[float] = []
    while len(times) < CALLS or sum(times) < SECONDS:
        begun = time.perf_counter()
        output = one.layer(one.input)
        if one.input.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    out = output[0] if isinstance(output, tuple) else output
    return min(times) / (2 * one.input.numel() * out.shape[-1])
