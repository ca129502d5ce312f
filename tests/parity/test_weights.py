"""Weights come in many files, tied, pickled, without a head, in half precision; contexts come with more than ids."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModel

from tests.parity.checkpoints import build
from tests.parity.huggingface import Reference, largest_difference, prompts
from tests.parity.test_architectures import engine, pytestmark  # noqa: F401
from vtag.errors import ModelError


def difference(folder: Path, longest: int = 128, packed: bool = True, **kwargs: Any) -> float:
    """Between the engine and Hugging Face, over a ragged batch."""
    reference = Reference(folder)
    batch = prompts(reference.tokenizer, longest, random.Random(1))
    with engine(folder, dtype="float32", **kwargs) as llm:
        assert llm.packed == packed
        got = [output.data for output in llm.encode([reference.ids(prompt) for prompt in batch])]
    return largest_difference(got, [reference.logits(prompt) for prompt in batch])


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_sharded_weights_load(tmp_path: Path) -> None:
    build("bert", tmp_path, seed=0, max_shard_size="50KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert difference(tmp_path) < 1e-4


def test_sharded_weights_load_natively(tmp_path: Path) -> None:
    build("qwen2", tmp_path, seed=0, max_shard_size="50KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert difference(tmp_path, packed=False) < 1e-4


def test_tied_weights_are_tied_again(tmp_path: Path) -> None:
    build("t5", tmp_path, seed=0)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert not any("embed_tokens" in key for key in file.keys())  # noqa: SIM118
    assert difference(tmp_path) < 1e-4


@pytest.mark.parametrize(("model_type", "packed"), [("roberta", True), ("qwen2", False)])
def test_pickled_weights_load_only_if_asked_for(model_type: str, packed: bool, tmp_path: Path) -> None:
    build(model_type, tmp_path, seed=0)
    weights = tmp_path / "model.safetensors"
    torch.save(load_file(weights), tmp_path / "pytorch_model.bin")
    expected = Reference(tmp_path)
    batch = prompts(expected.tokenizer, 128, random.Random(1))
    logits = [expected.logits(prompt) for prompt in batch]
    weights.unlink()
    with pytest.raises(ModelError, match="load_format"), engine(tmp_path):
        pass
    with engine(tmp_path, dtype="float32", load_format="pt") as llm:
        assert llm.packed == packed
        got = [output.data for output in llm.encode([expected.ids(prompt) for prompt in batch])]
    assert largest_difference(got, logits) < 1e-4


@pytest.mark.parametrize("model_type", ["bert", "deberta-v2", "qwen2"])
def test_a_base_model_gets_the_same_fresh_head_each_time(model_type: str, tmp_path: Path) -> None:
    build(model_type, tmp_path, seed=0)
    AutoModel.from_pretrained(tmp_path).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="num_labels"), engine(tmp_path):
        pass
    runs = []
    for _ in range(2):
        kwargs: dict[str, Any] = {"dtype": "float32", "model_config": {"num_labels": 3}}
        with pytest.warns(UserWarning, match="newly initialised"), engine(tmp_path, **kwargs) as llm:
            runs.append(llm.encode("anna called bob")[0].data)
    assert runs[0].shape[1] == 3
    assert runs[0].std() > 1e-3
    np.testing.assert_array_equal(runs[0], runs[1])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("model_type", ["bert", "deberta", "deberta-v2", "modernbert", "qwen2", "t5", "xlnet"])
def test_half_precision_stays_near(model_type: str, dtype: str, tmp_path: Path) -> None:
    reference = Reference(build(model_type, tmp_path, seed=0))
    batch = prompts(reference.tokenizer, 128, random.Random(1))
    expected = np.concatenate([reference.logits(prompt) for prompt in batch])
    with engine(tmp_path, dtype=dtype) as llm:
        outputs = llm.encode([reference.ids(prompt) for prompt in batch])
    got = np.concatenate([output.data for output in outputs])
    assert got.dtype == np.float32
    assert np.sqrt(np.mean((got - expected) ** 2)) < {"bfloat16": 0.05, "float16": 0.01}[dtype]
    assert (got.argmax(1) == expected.argmax(1)).mean() > {"bfloat16": 0.95, "float16": 0.98}[dtype]


@pytest.mark.parametrize("model_type", ["xlnet", "xlm", "flaubert", "gpt_bigcode"])
def test_token_types_are_the_tokenizers(model_type: str, tmp_path: Path) -> None:
    build(model_type, tmp_path, seed=0)
    edit(tmp_path / "tokenizer_config.json", model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    reference = Reference(tmp_path)
    prompt = prompts(reference.tokenizer, 128, random.Random(1))[0]
    without = reference.model(input_ids=torch.tensor([reference.ids(prompt)])).logits[0].detach().numpy()
    assert np.abs(reference.logits(prompt) - without).max() > 1e-2
    assert difference(tmp_path) < 1e-4


@pytest.mark.parametrize(
    ("model_type", "rope"),
    [
        ("llama", {"rope_type": "dynamic", "factor": 4.0}),
        (
            "phi3",
            {
                "rope_type": "longrope",
                "short_factor": [1.0] * 16,
                "long_factor": [1.0 + i / 4 for i in range(16)],
                "original_max_position_embeddings": 32,
            },
        ),
    ],
)
def test_a_rope_that_depends_on_the_length_sees_each_texts_own(
    model_type: str, rope: dict[str, Any], tmp_path: Path
) -> None:
    build(model_type, tmp_path, seed=0)
    edit(
        tmp_path / "config.json",
        rope_parameters={"rope_theta": 10000.0} | rope,
        max_position_embeddings=32 if rope["rope_type"] == "dynamic" else 130,
    )
    assert difference(tmp_path, longest=128 if rope["rope_type"] == "longrope" else 32) < 1e-4


@pytest.mark.parametrize("model_type", ["layoutlm", "markuplm"])
def test_a_model_that_wants_more_than_text_says_what(model_type: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(ModelError, match=r"needs (layout boxes|the markup's XPaths), not text alone"), engine(tmp_path):
        pass
