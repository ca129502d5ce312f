"""Attention over a packed row equals plain attention over each text."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.masking_utils import (
    bidirectional_mask_function,
    causal_mask_function,
    sliding_window_bidirectional_mask_function,
    sliding_window_causal_mask_function,
)

from vtag.backend.packed import attention

pytestmark = pytest.mark.kernels

CPU, META = torch.device("cpu"), torch.device("meta")
WINDOWS = {
    "all": (bidirectional_mask_function, None, (-1, -1)),
    "causal": (causal_mask_function, None, (-1, 0)),
    "near": (sliding_window_bidirectional_mask_function(3), 3, (3, 3)),
    "near and causal": (sliding_window_causal_mask_function(4), 4, (3, 0)),
}


def plain(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, lens: list[int], window: tuple[int, int], scale: float
) -> torch.Tensor:
    """The definition, one text and head at a time in float64, [tokens, heads, size]."""
    out = torch.zeros(q.shape[2], q.shape[1], v.shape[3], dtype=torch.float64)
    at = 0
    left, right = (math.inf if n < 0 else n for n in window)
    for n in lens:
        rows = slice(at, at + n)
        at += n
        distance = torch.arange(n)[None, :] - torch.arange(n)[:, None]
        hidden = (distance < -left) | (distance > right)
        for head in range(q.shape[1]):
            shared = head * k.shape[1] // q.shape[1]
            scores = q[0, head, rows].double() @ k[0, shared, rows].double().T * scale
            weights = torch.softmax(scores.masked_fill(hidden, -math.inf), dim=-1)
            out[rows, head] = weights @ v[0, shared, rows].double()
    return out


def compare(lens: list[int], kind: str, dtype: torch.dtype, kv_heads: int, scaling: float | None = 0.2) -> float:
    torch.manual_seed(sum(lens))
    sees, local_size, window = WINDOWS[kind]
    q, k, v = (torch.randn(1, heads, sum(lens), 8).to(dtype) for heads in (4, kv_heads, kv_heads))
    mask = attention.text_mask(mask_function=sees, device=CPU, local_size=local_size)
    with attention.packed(lens, CPU):
        got, _ = attention.attend(torch.nn.Module(), q, k, v, mask, scaling)
    assert got.shape == (1, sum(lens), 4, 8)
    want = plain(q, k, v, lens, window, 8**-0.5 if scaling is None else scaling)
    return float((got[0].double() - want).abs().max())


@settings(max_examples=25)
@given(
    lens=st.lists(st.integers(1, 40), min_size=1, max_size=12).map(sorted),
    kind=st.sampled_from(list(WINDOWS)),
    kv_heads=st.sampled_from([1, 2, 4]),
)
def test_every_text_sees_itself_alone(lens: list[int], kind: str, kv_heads: int) -> None:
    assert compare(lens, kind, torch.float32, kv_heads) < 1e-5
    assert compare(lens, kind, torch.bfloat16, kv_heads) < 3e-2


@pytest.mark.parametrize("kind", list(WINDOWS))
def test_texts_on_both_sides_of_the_turn_to_fused_attention(kind: str) -> None:
    lens = [1, attention.SHORT - 1, attention.SHORT, attention.SHORT + 1, attention.SHORT + 1]
    assert compare(lens, kind, torch.bfloat16, 4) < 3e-2


def test_the_scale_is_that_of_the_head_size_by_default() -> None:
    assert compare([5, 9], "all", torch.float32, 4, scaling=None) < 1e-5
    assert compare([5, 9], "all", torch.bfloat16, 4, scaling=None) < 3e-2


def test_many_texts_split_into_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "SCORES", 4 * 16 * 16 * 5)
    lens = sorted([3, 9, 16, 16, 2, 11, 7, 30, 31])
    row = attention.PackedTexts(lens, CPU)
    assert [group.texts for group in row.groups(4, torch.bfloat16)] == [4, 3, 1, 1]
    assert compare(lens, "all", torch.bfloat16, 4) < 3e-2


def test_batches_are_filled_up_to_few_sizes() -> None:
    lens = [9] * 5 + [20] * 7
    row = attention.PackedTexts(lens, CPU)
    assert [(group.texts, group.length) for group in row.groups(4, torch.bfloat16)] == [(6, 16), (8, 32)]
    assert compare(lens, "all", torch.bfloat16, 4) < 3e-2


# On the meta device there are no numbers: nothing is read back from a GPU.
@pytest.mark.parametrize("device", [CPU, META], ids=str)
@pytest.mark.parametrize("kind", list(WINDOWS))
def test_masks_know_the_window_that_flash_attention_asks_for(kind: str, device: torch.device) -> None:
    sees, local_size, window = WINDOWS[kind]
    mask = attention.text_mask(mask_function=sees, device=device, local_size=local_size)
    assert ((-1, -1) if mask is None else mask.window) == window


def test_a_mask_that_is_no_window_has_none() -> None:
    mask = attention.text_mask(
        mask_function=lambda batch, head, q, kv: (q + kv) % 2 == 0, device=CPU, local_size=4, use_vmap=True
    )
    assert mask is not None
    assert mask.window is None
    seen = mask.of(2)
    assert seen is not None
    assert seen.tolist() == [[True, False], [False, True]]


def test_bounds_are_what_varlen_kernels_take() -> None:
    bounds = attention.PackedTexts([2, 2, 5], CPU).bounds
    assert bounds.dtype == torch.int32
    assert bounds.tolist() == [0, 2, 4, 9]
