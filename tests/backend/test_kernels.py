"""Kernels that are right pass, on this CPU and as on smaller ones; one that is wrong ends before the first text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from vllm import _custom_ops as ops

from tests.parity.checkpoints import build
from vtag import LLM
from vtag.backend import kernels
from vtag.backend.packed import attention
from vtag.backend.packed.linear import Int8Linear, LastQuantized, PackedLinear
from vtag.errors import EngineError
from vtag.system.int8 import saturates

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@pytest.fixture(autouse=True)
def not_tried_yet() -> Iterator[None]:
    """As in a new process, and as if this had been none."""
    kernels.measure.cache_clear()
    yield
    kernels.measure.cache_clear()


@pytest.mark.kernels
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kernel", ["linear layers", "linear layers in int8", "attention"])
def test_vtags_kernels_are_within_their_bounds_with_room_to_spare(kernel: str, dtype: torch.dtype) -> None:
    bound = kernels.BOUNDS[kernels.numbers(kernel, dtype)]
    assert kernels.within(kernels.measure(kernel, dtype), kernels.Deviation(bound.mean / 2, bound.largest / 2))


@pytest.mark.kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kernel", ["vLLM's linear layers", "vLLM's linear layers in int8"])
def test_vllms_kernels_are_within_their_bounds(kernel: str, dtype: torch.dtype) -> None:
    amx = torch.cpu._is_amx_tile_supported()
    if amx and kernel.endswith("int8"):
        dtype = torch.bfloat16  # its kernel there takes no float32
    kernels.check(kernel, dtype)


@pytest.mark.kernels
@torch.inference_mode()
def test_weights_are_limited_by_pairs_where_full_ones_saturate() -> None:
    def made(pairwise: bool) -> Callable[[nn.Linear], nn.Module]:
        return lambda layer: Int8Linear(layer, layer, LastQuantized(), pairwise)

    bound = kernels.BOUNDS["int8"]
    whole = kernels.largest_error(kernels.matmul_results(made(pairwise=False), torch.float32, (300, 90)))
    spared = kernels.largest_error(kernels.matmul_results(made(pairwise=True), torch.float32, (300, 90)))
    assert kernels.within(spared, bound)
    assert kernels.within(whole, bound) == (not saturates())


@pytest.mark.kernels
def test_a_kernel_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = kernels.measure("linear layers", torch.float32)
    monkeypatch.setattr(PackedLinear, "forward", lambda self, x: x)
    assert kernels.measure("linear layers", torch.float32) is first


def scaled_wrong(**given: Any) -> torch.Tensor:
    return RIGHT(**given).mul_(1.05)


RIGHT = ops.onednn_scaled_mm


def wrong_int8(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(ops, "onednn_scaled_mm", scaled_wrong)
    return {"quantization": "int8"}


def one_column_wrong(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    right = PackedLinear.forward

    def forward(self: PackedLinear, x: torch.Tensor) -> torch.Tensor:
        out = right(self, x)
        out[..., -1] *= 0.99
        return out

    monkeypatch.setattr(PackedLinear, "forward", forward)
    return {"dtype": "float32"}


def nan_for_long_texts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    right = attention.functional.scaled_dot_product_attention

    def attend(query: torch.Tensor, *rest: Any, **named: Any) -> torch.Tensor:
        return right(query, *rest, **named) * (float("nan") if query.shape[2] > attention.SHORT else 1)

    monkeypatch.setattr(attention.functional, "scaled_dot_product_attention", attend)
    return {"dtype": "float32"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (wrong_int8, "^linear layers in int8: wrong on this CPU"),
        (one_column_wrong, "linear layers in float32: wrong on"),
        (nan_for_long_texts, "attention in float32: wrong"),
    ],
)
def test_a_wrong_kernel_is_one_line_before_the_first_text(
    spoil: Callable[[pytest.MonkeyPatch], dict[str, str]],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = build("bert", tmp_path, seed=0)
    with pytest.raises(EngineError, match=message) as raised:
        LLM(folder, **spoil(monkeypatch))  # type: ignore[arg-type]
    assert raised.value.kind == "kernel_wrong"
    assert "\n" not in str(raised.value)


def test_a_wrong_kernel_of_vllms_is_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = ops.onednn_mm
    monkeypatch.setattr(ops, "onednn_mm", lambda *given: right(*given) * 1.001)
    folder = build("qwen2", tmp_path, seed=0)
    with pytest.raises(EngineError, match="vLLM's linear layers in float32: wrong on"):
        LLM(folder, dtype="float32")


def test_a_kernel_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> torch.Tensor:
        raise RuntimeError("could not create a primitive\n\nC++ CapturedTraceback: ...")

    monkeypatch.setattr(PackedLinear, "forward", fails)
    with pytest.raises(EngineError, match=r"no result on this CPU, .* \(could not create a primitive\)") as raised:
        kernels.check("linear layers", torch.float32)
    assert "\n" not in str(raised.value)
