"""The native route keeps what vLLM gives its own models; heads of either name; weights that are missing."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM
from vllm.model_executor.layers.linear import UnquantizedLinearMethod

from tests.parity.checkpoints import build
from tests.parity.huggingface import Reference, largest_difference, prompts
from tests.parity.test_architectures import engine
from vtag.errors import ModelError
from vtag.system.int8 import saturates

TEXTS = ["anna called bob", "a", "the quick brown fox jumps over the lazy dog, again and again"]


def to_int8(weight: torch.Tensor, strategy: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Rounded weights and their scales: one a row ("channel"), or one in all ("tensor")."""
    scale = (weight.abs().amax(dim=1, keepdim=True) if strategy == "channel" else weight.abs().amax().view(1)) / 127
    return (weight / scale).round().to(torch.int8), scale


def quantise(folder: Path, ignore: list[str], strategy: str) -> None:
    """As compressed-tensors writes W8A8: weights in int8, inputs rounded to int8 by token at run time."""
    file, config = folder / "model.safetensors", folder / "config.json"
    tensors: dict[str, torch.Tensor] = {}
    for key, weight in load_file(file).items():
        tensors[key] = weight
        if key.endswith("_proj.weight"):
            tensors[key], tensors[f"{key}_scale"] = to_int8(weight, strategy)
    save_file(tensors, file, metadata={"format": "pt"})
    by_int8 = {"num_bits": 8, "type": "int", "symmetric": True}
    scheme = {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": ignore,
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": by_int8 | {"strategy": strategy, "dynamic": False},
                "input_activations": by_int8 | {"strategy": "token", "dynamic": True},
            }
        },
    }
    config.write_text(json.dumps(json.loads(config.read_text()) | {"quantization_config": scheme}))


@pytest.mark.parametrize(
    ("strategy", "ignore"),
    [
        pytest.param("channel", ["lm_head", "score"], marks=pytest.mark.kernels),
        ("tensor", ["lm_head"]),
    ],
)
def test_int8_weights_load_and_tag_and_the_head_stays_as_it_is(
    strategy: str, ignore: list[str], tmp_path: Path
) -> None:
    """Rounding to 8 bits moves each factor by up to 1/254 of its row's largest: some 2 % a product, 5 % after two
    layers of them; a scale or a layer gone wrong would move the logits by as much as they spread."""
    reference = Reference(build("qwen2", tmp_path, seed=0))
    batch = prompts(reference.tokenizer, 128, random.Random(0))
    expected = np.concatenate([reference.logits(prompt) for prompt in batch])
    quantise(tmp_path, ignore, strategy)
    with engine(tmp_path) as llm:  # on a CPU with AMX vLLM's int8 kernel takes no float32
        assert not llm.packed
        worker = llm.llm_engine.engine_core.engine_core.model_executor.driver_worker.worker
        model = worker.model_runner.model
        assert "Int8" in type(model.model.layers[0].self_attn.qkv_proj.scheme).__name__
        assert isinstance(model.score.quant_method, UnquantizedLinearMethod)
        got = np.concatenate([output.data for output in llm.encode([reference.ids(prompt) for prompt in batch])])
        assert len(llm.tag(TEXTS)) == len(TEXTS)
    assert 0 < np.sqrt(np.mean((got - expected) ** 2)) < 0.1 * expected.std()
    if saturates():  # then weights are multiplied by their scales, and no input is rounded
        with torch.no_grad():
            for name, weight in reference.model.named_parameters():
                if name.endswith("_proj.weight"):
                    int8, scale = to_int8(weight, strategy)
                    weight.copy_(int8 * scale)
        exact = np.concatenate([reference.logits(prompt) for prompt in batch])
        assert largest_difference([got], [exact]) < 1e-4


@pytest.mark.parametrize("model_type", ["qwen2", "gpt2"])
def test_a_causal_language_model_gets_a_fresh_head_with_no_bias(model_type: str, tmp_path: Path) -> None:
    reference = Reference(build(model_type, tmp_path, seed=0))
    language_model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    language_model.base_model.load_state_dict(reference.model.base_model.state_dict())
    (tmp_path / "model.safetensors").unlink()
    language_model.save_pretrained(tmp_path)
    hidden = [language_model.base_model(**reference.tokenizer(text, return_tensors="pt"))[0][0] for text in TEXTS]
    expected = torch.cat(hidden).detach().numpy().astype(np.float64)
    heads = []
    for seed in (0, 0, 1):
        with (
            pytest.warns(UserWarning, match="newly initialised") as warned,
            engine(tmp_path, dtype="float32", seed=seed, model_config={"num_labels": 3}) as llm,
        ):
            got = np.concatenate([output.data for output in llm.encode(TEXTS)])
        assert len([w for w in warned if "newly initialised" in str(w.message)]) == 1
        # The logits are a linear map of the hidden states, without anything added.
        head, *_ = np.linalg.lstsq(expected, got, rcond=None)
        np.testing.assert_allclose(expected @ head, got, atol=1e-3)
        heads.append(got)
    assert heads[0].shape[1] == 3
    np.testing.assert_array_equal(heads[0], heads[1])
    assert np.abs(heads[0] - heads[2]).max() > 1e-2


@pytest.mark.parametrize(("model_type", "name"), [("qwen2", "score"), ("gpt2", "classifier")])
@pytest.mark.parametrize("bias", [True, False])
def test_a_head_of_either_name_with_a_bias_and_without(model_type: str, name: str, bias: bool, tmp_path: Path) -> None:
    file = build(model_type, tmp_path, seed=0) / "model.safetensors"
    weights = load_file(file)
    assert weights[f"{name}.bias"].abs().min() > 0
    if not bias:
        weights[f"{name}.bias"].zero_()
    reference = Reference(tmp_path)
    if not bias:
        nn.init.zeros_(getattr(reference.model, name).bias)
        del weights[f"{name}.bias"]
        save_file(weights, file, metadata={"format": "pt"})
    batch = prompts(reference.tokenizer, 128, random.Random(0))
    with engine(tmp_path, dtype="float32") as llm:
        assert not llm.packed
        got = [output.data for output in llm.encode([reference.ids(prompt) for prompt in batch])]
    assert largest_difference(got, [reference.logits(prompt) for prompt in batch]) < 1e-4


@pytest.mark.parametrize(
    ("model_type", "lost"),
    [
        ("qwen2", "model.layers.1.mlp.down_proj.weight"),
        ("qwen2", "model.norm.weight"),
        ("gpt2", "transformer.h.0.attn.c_attn.weight"),
        ("bert", "bert.encoder.layer.1.output.dense.weight"),
        ("modernbert", "head.dense.weight"),
    ],
)
def test_weights_that_are_not_in_the_files_are_an_error_and_never_made_up(
    model_type: str, lost: str, tmp_path: Path
) -> None:
    file = build(model_type, tmp_path, seed=0) / "model.safetensors"
    weights = load_file(file)
    del weights[lost]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match="1 of the model's weights are not in its files") as caught, engine(tmp_path):
        pass
    assert lost in str(caught.value)
    assert "\n" not in str(caught.value)
