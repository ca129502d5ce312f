"""A row of many texts gives each the logits it has alone."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import (
    AutoModelForTokenClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    LlamaConfig,
    ModernBertConfig,
    OpenAIPrivacyFilterConfig,
    RobertaConfig,
)

from vtag.backend.packed.row import PackedRow, fits, positions, rows

SMALL: dict[str, Any] = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "num_labels": 5, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3,
}  # fmt: skip
CONFIGS = {
    "bert": BertConfig(**SMALL),
    "distilbert": DistilBertConfig(vocab_size=60, dim=32, n_layers=2, n_heads=4, hidden_dim=48, num_labels=5),
    "electra": ElectraConfig(**SMALL, embedding_size=16),
    "llama": LlamaConfig(**SMALL, num_key_value_heads=2),
    "modernbert": ModernBertConfig(
        **SMALL | {"num_hidden_layers": 3}, local_attention=8, cls_token_id=2, sep_token_id=3
    ),
    "openai_privacy_filter": OpenAIPrivacyFilterConfig(
        **SMALL, num_key_value_heads=2, head_dim=8, sliding_window=4, num_local_experts=4, num_experts_per_tok=2
    ),
    "roberta": RobertaConfig(**SMALL),
}
LENS = [7, 1, 40, 7, 25, 3, 90, 16, 17]


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = AutoModelForTokenClassification.from_config(copy.deepcopy(CONFIGS[name])).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@torch.inference_mode()
def through_rows(model: nn.Module, ids: torch.Tensor, lens: list[int], limit: int) -> torch.Tensor:
    row = PackedRow(model)
    out = torch.zeros(len(ids), 5)
    for tokens, of_row in rows(lens, limit, 512):
        index = torch.from_numpy(tokens)
        out[index] = row(ids[index], of_row).float()
    return out


@torch.inference_mode()
def alone(model: nn.Module, ids: torch.Tensor, lens: list[int]) -> torch.Tensor:
    return torch.cat(
        [model(text[None], attention_mask=torch.ones_like(text[None])).logits[0] for text in ids.split(lens)]
    )


@pytest.mark.parametrize("limit", [1, 60, 10_000])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_text_gets_the_logits_it_has_alone(name: str, limit: int) -> None:
    model = build(name)
    # Padding ids among them: to some modules they move the positions of what follows.
    ids = torch.randint(0, 60, (sum(LENS),), generator=torch.Generator().manual_seed(1))
    want = alone(model, ids, LENS)
    got = through_rows(model, ids, LENS, limit)
    assert float((got - want).abs().max() / want.abs().max()) < 1e-5


@pytest.mark.parametrize("name", CONFIGS)
def test_what_stands_in_other_texts_changes_nothing(name: str) -> None:
    model = build(name)
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(4, 60, (sum(LENS),), generator=generator)
    others = torch.randint(4, 60, (sum(LENS),), generator=generator)
    kept = slice(8, 48)
    others[kept] = ids[kept]
    one, two = (through_rows(model, some, LENS, 10_000)[kept] for some in (ids, others))
    assert torch.allclose(one, two, rtol=0, atol=1e-5)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 60), st.integers(1, 30), st.integers(1, 4))
def test_rows_hold_every_text_once_in_order_of_length(lens: list[int], limit: int, longest: int, cores: int) -> None:
    made = list(rows(lens, limit, longest, cores))
    starts = np.cumsum(lens) - lens
    want = [starts[i] + j for i, n in enumerate(lens) for j in range(min(n, longest))]
    assert sorted(np.concatenate([tokens for tokens, _ in made]).tolist()) == want
    assert [n for _, of_row in made for n in of_row] == sorted(min(n, longest) for n in lens)
    for tokens, of_row in made:
        assert len(tokens) == sum(of_row) < limit + longest
        breaks = set(np.cumsum(of_row).tolist())
        assert all(b == a + 1 for i, (a, b) in enumerate(pairwise(tokens), 1) if i not in breaks)


def test_rows_are_as_many_for_each_core() -> None:
    lens = [10] * 100
    assert [len(list(rows(lens, limit, 512, 2))) for limit in (1000, 999, 334, 333, 100)] == [1, 2, 4, 4, 10]
    assert [len(list(rows(lens, limit, 512, 1))) for limit in (1000, 999, 334, 333, 100)] == [1, 2, 3, 4, 10]


def test_a_module_meets_rows_of_few_sizes() -> None:
    sizes: set[int] = set()
    model = build("bert")
    model.get_input_embeddings().register_forward_hook(lambda *args: sizes.add(args[-1].shape[1]))
    for n in range(1, 300):
        assert (
            through_rows(model, torch.zeros(n, dtype=torch.int64), [n - n // 2, n // 2][: min(n, 2)], n).shape[0] == n
        )
    assert len(sizes) <= 32 + 4 * 16


def test_positions_begin_anew_with_each_text() -> None:
    assert positions(torch.tensor([9, 9, 9, 9, 9]), [2, 3], None).tolist() == [0, 1, 0, 1, 2]


def test_positions_after_the_padding_id_pass_over_padding() -> None:
    assert positions(torch.tensor([5, 1, 5, 1, 5]), [3, 2], 1).tolist() == [2, 1, 3, 1, 2]


def test_a_rope_that_stretches_with_the_longest_text_takes_no_row() -> None:
    model = build("llama")
    assert fits(model)
    stretching = LlamaConfig(**SMALL, rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0})
    assert not fits(AutoModelForTokenClassification.from_config(stretching))


def test_a_stretching_rope_of_one_kind_of_layer_is_seen_too() -> None:
    """ModernBERT and UltraBERT have a rope for each kind of attention."""
    ropes = {
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        "full_attention": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0},
    }
    stretching = copy.deepcopy(CONFIGS["modernbert"])
    stretching.rope_parameters = ropes
    assert fits(build("modernbert"))
    assert not fits(AutoModelForTokenClassification.from_config(stretching))
