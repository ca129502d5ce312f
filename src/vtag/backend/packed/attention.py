"""Attention over the texts of one packed row: every token sees only its own text.

A packed row is `[1, tokens]`, its texts in order of length. Texts of one length are then one slice of the row, and a
view of it, `[texts, heads, length, size]`, needs neither padding nor a mask. Hugging Face's modules call `attend`
through transformers' attention interface. Which tokens of its text a token may see (all, those before it, a window)
comes from the module's own mask function, called for one text instead of the row.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, AttentionMaskInterface

from vtag.backend.packed.copies import on_device
from vtag.backend.packed.shapes import rounded
from vtag.compat.transformers_models import is_causal_mask, is_full_mask, own_attention

NAME = "vtag"
# Up to this length two matmuls around a softmax are faster than fused attention in bf16 on CPU (benchmarks/LOG.md,
# Kernels).
SHORT = 512
# Texts are padded to a multiple of this length, which suits softmax and matmuls, and grouped by it.
STEP = 16
# Limit of the attention scores of one group, to keep them in the cache.
SCORES = 1 << 18
# Sizes of groups, in texts: only attention pads to them.
SIZES_PER_OCTAVE = 2

_here = threading.local()


class LengthGroup(NamedTuple):
    """Texts of about the same length, as [texts, length], padded by hidden tokens and by empty texts.

    rows: their slice of the row.
    gather: int64 [texts * heads * length], the index of each vector among the row's [tokens * heads].
    back: int64 [tokens of the slice * heads], the inverse.
    hidden: [texts * heads, 1, length], -inf at padding.
    """

    rows: slice
    texts: int
    length: int
    gather: torch.Tensor
    back: torch.Tensor
    hidden: torch.Tensor


class PackedTexts:
    """The texts of a packed row, ascending by length."""

    def __init__(self, lens: Sequence[int], device: torch.device) -> None:
        self.lens = lens
        self.tokens = sum(lens)
        self.device = device
        self._groups: dict[tuple[int, torch.dtype], list[LengthGroup]] = {}

    @cached_property
    def bounds(self) -> torch.Tensor:
        """Offsets of the texts in the row, int32 [texts + 1]."""
        return on_device(np.cumsum([0, *self.lens], dtype=np.int32), self.device)

    def runs(self, longer_than: int = 0) -> Iterator[tuple[slice, int, int]]:
        """Runs of texts of exactly one length: their slice of the row, their number, their length."""
        at = 0
        for length, texts in groupby(self.lens):
            count = len(list(texts))
            rows = slice(at, at + count * length)
            at = rows.stop
            if length > longer_than:
                yield rows, count, length

    def groups(self, heads: int, dtype: torch.dtype) -> list[LengthGroup]:
        """Groups of the texts of up to SHORT tokens, padded to multiples of STEP."""
        key = heads, dtype
        if key not in self._groups:
            self._groups[key] = list(self._make_groups(heads, dtype))
        return self._groups[key]

    def _make_groups(self, heads: int, dtype: torch.dtype) -> Iterator[LengthGroup]:
        at = 0
        for steps, of_group in groupby(self.lens, lambda n: -(-n // STEP)):
            length, texts = steps * STEP, list(of_group)
            if length > SHORT:
                return
            most = 1 << (max(1, SCORES // (heads * length * length)).bit_length() - 1)
            for first in range(0, len(texts), most):
                sizes = np.array(texts[first : first + most])
                sizes = np.pad(sizes, (0, rounded(len(sizes), SIZES_PER_OCTAVE) - len(sizes)))
                ends = np.cumsum(sizes)
                column = np.arange(length)
                real = column < sizes[:, None]
                token = at + np.minimum((ends - sizes)[:, None] + column, ends[:, None] - 1)
                head = np.arange(heads)[:, None]
                place = (np.arange(len(sizes))[:, None, None] * heads + head) * length + column
                hidden = torch.from_numpy(np.where(real | (sizes == 0)[:, None], 0, -np.inf)).to(dtype)
                yield LengthGroup(
                    slice(at, at + int(ends[-1])),
                    len(sizes),
                    length,
                    torch.from_numpy((token[:, None] * heads + head).ravel()),
                    torch.from_numpy(place.transpose(0, 2, 1)[real].ravel()),
                    hidden[:, None].repeat_interleave(heads, dim=0),
                )
                at += int(ends[-1])


@contextmanager
def packed(lens: Sequence[int], device: torch.device) -> Iterator[None]:
    """Context in which a module runs over a row of texts with these lengths, ascending."""
    _here.row = PackedTexts(lens, device)
    try:
        yield
    finally:
        del _here.row


class TextMask:
    """Which tokens of its text a token sees; `sees(0, 0, query, key)` is transformers' mask function."""

    def __init__(self, sees: Callable[..., torch.Tensor], local_size: int | None, device: torch.device) -> None:
        self.sees = sees
        self.local_size = local_size
        self.device = device
        self.causal = is_causal_mask(sees)
        self._of: dict[int, torch.Tensor | None] = {}

    def of(self, length: int) -> torch.Tensor | None:
        """bool [length, length] on the device, or None where every token sees every other."""
        if length not in self._of:
            mask = self._seen(length)
            self._of[length] = None if bool(mask.all()) else mask.to(self.device)
        return self._of[length]

    def _seen(self, length: int) -> torch.Tensor:
        """bool [length, length] on the host: reading from the device would wait for all work queued on a GPU."""
        at = torch.arange(length, device="cpu")
        zero = at.new_zeros(1, 1, 1, 1)
        mask = self.sees(zero, zero, at[None, None, :, None], at[None, None, None, :])[0, 0]
        return mask.expand(length, length)

    @cached_property
    def window(self) -> tuple[int, int] | None:
        """How many tokens to the left and to the right a token sees, -1 for all; None if the mask is no such window."""
        if self.causal:
            return -1, 0
        if self.local_size is None:
            return None
        seen = self._seen(2 * self.local_size + 3)
        middle = self.local_size + 1
        columns = seen[middle].nonzero()
        return middle - int(columns.min()), int(columns.max()) - middle


def text_mask(
    *,
    mask_function: Callable[..., torch.Tensor],
    device: torch.device,
    local_size: int | None = None,
    use_vmap: bool = False,
    **_: Any,
) -> TextMask | None:
    """The function that transformers' mask makers call: None where every token sees its whole text."""
    if is_full_mask(mask_function):
        return None
    return TextMask(mask_function, None if use_vmap else local_size, device)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: TextMask | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """query, key, value [1, heads, tokens, size] -> [1, tokens, heads, size]."""
    row: PackedTexts = _here.row
    q, k, v = query[0], key[0], value[0]
    scale = q.shape[2] ** -0.5 if scaling is None else scaling
    eager_only = any(kwargs.get(name) is not None for name in ("softcap", "s_aux", "position_bias"))
    if not eager_only and _takes_varlen(q, v, attention_mask):
        return _varlen(row, q, k, v, attention_mask, scale)[None], None
    out = v.new_empty(q.shape[1], q.shape[0], v.shape[2])
    out[row.tokens :] = 0
    if eager_only:
        _as_the_module_does(row, out, module, q, k, v, attention_mask, scaling, kwargs)
        return out[None], None
    if len(k) != len(q):
        k, v = (part.repeat_interleave(len(q) // len(part), dim=0) for part in (k, v))
    if q.is_cuda or q.dtype == torch.float32:
        _fused(row, out, q, k, v, attention_mask, scale)
    else:
        _batched(row, out, q, k, v, attention_mask, scale)
        _fused(row, out, q, k, v, attention_mask, scale, longer_than=SHORT)
    return out[None], None


def _batched(
    row: PackedTexts,
    out: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: TextMask | None,
    scale: float,
) -> None:
    """Short texts: two batched matmuls around a softmax; q, k, v [heads, tokens, size], out [tokens, heads, size]."""
    heads = len(q)
    # One vector per token and head; most modules store them token by token.
    vectors = [part.transpose(0, 1).reshape(-1, part.shape[2]) for part in (q, k, v)]
    for rows, texts, length, gather, back, hidden in row.groups(heads, q.dtype):
        batch = texts * heads, length, -1
        queries, keys, values = (part.index_select(0, gather).view(batch) for part in vectors)
        scores = torch.baddbmm(hidden, queries, keys.transpose(1, 2), alpha=scale)
        allowed = mask.of(length) if mask is not None else None
        if allowed is not None:
            scores.masked_fill_(~allowed, float("-inf"))
        # In float32: on short rows the bf16 softmax takes three times as long.
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(q.dtype)
        seen = torch.bmm(weights, values).view(-1, v.shape[2])
        torch.index_select(seen, 0, back, out=out[rows].view(-1, v.shape[2]))


def _fused(
    row: PackedTexts,
    out: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: TextMask | None,
    scale: float,
    longer_than: int = 0,
) -> None:
    """torch's fused attention over the texts of each length; shapes as in `_batched`."""
    for rows, texts, length in row.runs(longer_than):
        queries, keys, values = (part[:, rows].unflatten(1, (texts, length)).transpose(0, 1) for part in (q, k, v))
        causal = mask is not None and mask.causal
        allowed = mask.of(length) if mask is not None and not causal else None
        seen = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=allowed, is_causal=causal, scale=scale
        )
        out[rows].unflatten(0, (texts, length)).copy_(seen.transpose(1, 2))


def _varlen(
    row: PackedTexts, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: TextMask | None, scale: float
) -> torch.Tensor:
    """All texts of a row in one flash attention call on CUDA, [tokens, heads, size]."""
    window = (-1, -1) if mask is None else mask.window
    q, k, v = (part.transpose(0, 1).contiguous() for part in (q, k, v))
    bounds, longest = row.bounds, row.lens[-1]
    # Only if necessary: torch 2.11 does not have this argument.
    grouped = {"enable_gqa": True} if k.shape[1] != q.shape[1] else {}
    out: torch.Tensor = varlen_attn(
        q, k, v, bounds, bounds, longest, longest, scale=scale, window_size=window, **grouped
    )
    return out


def _takes_varlen(q: torch.Tensor, v: torch.Tensor, mask: TextMask | None) -> bool:
    size = q.shape[2]
    return (
        q.is_cuda
        and q.dtype in (torch.float16, torch.bfloat16)
        and size == v.shape[2] <= 256
        and size % 8 == 0
        and torch.cuda.get_device_capability(q.device) >= (8, 0)
        and (mask is None or mask.window is not None)
    )


def _as_the_module_does(
    row: PackedTexts,
    out: torch.Tensor,
    module: torch.nn.Module,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: TextMask | None,
    scaling: float | None,
    kwargs: dict[str, Any],
) -> None:
    """The module's own eager attention, for features that only it has: sinks, soft caps, position biases."""
    plain = own_attention(module)
    for rows, texts, length in row.runs():
        queries, keys, values = (part[:, rows].unflatten(1, (texts, length)).transpose(0, 1) for part in (q, k, v))
        allowed = mask.of(length) if mask is not None else None
        added = None
        if allowed is not None:
            added = q.new_zeros(allowed.shape).masked_fill_(~allowed, torch.finfo(q.dtype).min)
        seen = plain(module, queries, keys, values, added, scaling=scaling, **kwargs)[0]
        out[rows].unflatten(0, (texts, length)).copy_(seen)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, text_mask)
