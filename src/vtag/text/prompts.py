"""What vLLM's `encode` takes, a string, token ids, a dict of either, or a list of these, as texts and ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vtag.errors import error
from vtag.text.windows import special_ends
from vtag.types import Encoding


def split_prompts(prompts: Any) -> list[str | list[int]]:
    """One string or one list of token ids per prompt."""
    if isinstance(prompts, (str, Mapping)) or _is_ids(prompts):
        prompts = [prompts]
    if not isinstance(prompts, Sequence):
        raise error("not_a_prompt", index=0, type=type(prompts).__name__)
    return [_one(i, prompt) for i, prompt in enumerate(prompts)]


def encode_ids(ids: list[int], probe: Encoding) -> Encoding:
    """Token ids as an Encoding without text. Special tokens at the ends are known by those around `probe`'s text."""
    array = np.array(ids, dtype=np.int32)
    prefix, suffix = special_ends(probe)
    special = np.zeros(len(array), dtype=bool)
    if len(array) >= prefix + suffix:
        special[:prefix] = array[:prefix] == probe.ids[:prefix]
        special[len(array) - suffix :] = array[len(array) - suffix :] == probe.ids[len(probe.ids) - suffix :]
    return Encoding("", array, special, None, np.where(special, -1, np.arange(len(array), dtype=np.int32)))


def _one(index: int, prompt: Any) -> str | list[int]:
    if isinstance(prompt, Mapping):
        prompt = prompt.get("prompt_token_ids", prompt.get("prompt"))
    if isinstance(prompt, str):
        return prompt
    if _is_ids(prompt):
        return list(prompt)
    raise error("not_a_prompt", index=index, type=type(prompt).__name__)


def _is_ids(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) > 0 and all(type(i) is int and i >= 0 for i in value)
