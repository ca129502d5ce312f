"""One row of many texts through an unchanged Hugging Face module: `[1, tokens]`, no padding.

Everything except attention and positions works on each token alone, so that a row may hold many texts: positions are
passed in, and attention is `vtag.backend.packed.attention`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from vtag.backend.packed import attention
from vtag.backend.packed.copies import on_device
from vtag.backend.packed.shapes import TOKENS_PER_OCTAVE, rounded
from vtag.compat.transformers_models import LENGTH_DEPENDENT_ROPES, is_transformers_own, position_padding, rope_types

# Model types whose module allows this; tests compare each with the module run on one text at a time.
MODEL_TYPES = frozenset({
    "albert", "apertus", "arcee", "axk1", "bert", "biogpt", "camembert", "data2vec-text", "deepseek_v3",
    "diffllama", "distilbert", "electra", "ernie", "esmc", "eurobert", "exaone4", "gemma", "glm", "glm4", "gpt-sw3",
    "gpt2", "gpt_bigcode", "gpt_neox", "gpt_oss", "gte", "helium", "jina_embeddings_v3", "llama", "ministral",
    "ministral3", "mistral", "mistral4", "mixtral", "modernbert", "modernvbert", "nemotron", "nomic_bert",
    "openai_privacy_filter", "persimmon", "phi", "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "roberta",
    "roberta-prelayernorm", "roc_bert", "seed_oss", "smollm3", "stablelm", "starcoder2", "ultrabert", "xlm-roberta",
    "xlm-roberta-xl", "xmod",
})  # fmt: skip


def fits(model: nn.Module) -> bool:
    """Whether the module accepts a row of many texts."""
    # A RoPE that scales with the longest text would make texts depend on each other's lengths.
    stretches = not rope_types(model).isdisjoint(LENGTH_DEPENDENT_ROPES)
    return is_transformers_own(model) and model.config.model_type in MODEL_TYPES and not stretches


class PackedRow:
    """`row(ids, lens)`: int64 [tokens], ascending lengths of the texts -> [tokens, labels] in the module's dtype.

    inputs: computes the inputs beside ids, mask and positions; each token's from its id alone.
    """

    def __init__(self, model: nn.Module, inputs: Callable[[Any], dict[str, Any]] | None = None) -> None:
        self.model = model
        self.inputs = inputs
        model.set_attn_implementation(attention.NAME)
        self.takes = set(inspect.signature(model.forward).parameters)
        self.pad_offset = position_padding(model)

    def __call__(self, ids: torch.Tensor, lens: Sequence[int]) -> torch.Tensor:
        # Padding tokens: any id, at the first position, seen by no other token.
        more = 0 if ids.is_cuda else rounded(len(ids), TOKENS_PER_OCTAVE) - len(ids)
        at = nn.functional.pad(positions(ids, lens, self.pad_offset), (0, more))
        row = nn.functional.pad(ids, (0, more))[None]
        inputs: dict[str, Any] = {
            "input_ids": row,
            "position_ids": at[None],
            # Without a mask, transformers would detect packed texts itself, and build a mask over the whole row.
            "attention_mask": torch.ones_like(row),
            "use_cache": False,
        }
        inputs = {name: value for name, value in inputs.items() if name in self.takes}
        if self.inputs is not None:
            inputs |= self.inputs(row)
        with attention.packed(lens, ids.device):
            logits: torch.Tensor = self.model(**inputs).logits
        return logits[0, : len(ids)]


def positions(ids: torch.Tensor, lens: Sequence[int], pad_offset: int | None) -> torch.Tensor:
    """int64 [tokens]: the position of each token in its text."""
    sizes = np.asarray(lens)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    if pad_offset is None:
        return on_device(np.arange(ends[-1]) - np.repeat(starts, sizes), ids.device)
    real = (ids != pad_offset).to(torch.int64)
    count = real.cumsum(0)
    before, repeats = (on_device(numbers, ids.device) for numbers in (starts, sizes))
    # With an explicit output size, a GPU need not be synchronised.
    base = (count - real)[before].repeat_interleave(repeats, output_size=len(ids))
    return (count - base) * real + pad_offset


def rows(lens: Sequence[int], limit: int, longest: int, cores: int = 1) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Texts in order of length, in rows of about `limit` tokens: positions int64 [tokens of the row], lengths.

    Tokens of a text beyond `longest` are left out. If there is more than one row, each core gets equally many.
    """
    sizes = np.asarray(lens, dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    sizes = np.minimum(sizes, longest)
    order = np.argsort(sizes, kind="stable")
    sizes, starts = sizes[order], starts[order]
    ends = np.cumsum(sizes)
    count = -(-ends[-1] // limit)
    if count > 1:
        count = -(-count // cores) * cores
    # Rows of about equal size: a short last one would cost nearly as much as a full one.
    of_row = (ends - 1) * count // ends[-1]
    for texts in np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(of_row)) + 1):
        size, start = sizes[texts], starts[texts]
        shift = start - (np.cumsum(size) - size)
        yield np.repeat(shift, size) + np.arange(size.sum()), size.tolist()
