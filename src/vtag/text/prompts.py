"""The input types of vLLM's `encode` (a string, token ids, a dict of either, or a list of these) as texts and ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from vtag.errors import error
from vtag.text.inputs import many
from vtag.text.windows import special_ends
from vtag.types import Encoding


def split_prompts(prompts: Any, vocabulary: int) -> list[str | list[int]]:
    """A string or a list of token ids in [0, vocabulary) for each prompt; raises InputError."""
    items = [prompts] if isinstance(prompts, str | Mapping) else list(many(prompts, "prompts"))
    if items and all(map(_is_id, items)):
        items = [items]
    return [_one(i, prompt, vocabulary) for i, prompt in enumerate(items)]


def encode_ids(ids: list[int], probe: Encoding) -> Encoding:
    """An Encoding of token ids without a text. `probe`, the encoding of any text, shows which special tokens to expect
    at the ends.
    """
    array = np.array(ids, dtype=np.int32)
    prefix, suffix = special_ends(probe)
    special = np.zeros(len(array), dtype=bool)
    if len(array) >= prefix + suffix:
        special[:prefix] = array[:prefix] == probe.ids[:prefix]
        special[len(array) - suffix :] = array[len(array) - suffix :] == probe.ids[len(probe.ids) - suffix :]
    return Encoding("", array, special, None, np.where(special, -1, np.arange(len(array), dtype=np.int32)))


def _one(index: int, prompt: Any, vocabulary: int) -> str | list[int]:
    if isinstance(prompt, Mapping):
        prompt = prompt.get("prompt_token_ids", prompt.get("prompt"))
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, bytes | bytearray | Mapping) or not isinstance(prompt, Iterable):
        raise error("not_a_prompt", index=index, type=type(prompt).__name__)
    ids = list(prompt)
    if not all(map(_is_id, ids)):
        raise error("not_a_prompt", index=index, type=type(prompt).__name__)
    if not ids:
        raise error("empty_prompt", index=index)
    if not 0 <= min(ids) <= max(ids) < vocabulary:
        raise error("id_outside", size=vocabulary)
    return [int(i) for i in ids]


def _is_id(value: Any) -> bool:
    """Whether the value is a whole number, NumPy's and torch's included."""
    return hasattr(value, "__index__") and not isinstance(value, bool | np.bool_) and getattr(value, "ndim", 0) == 0
