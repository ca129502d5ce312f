"""What is unusual in a folder, and right, loads and answers as in Hugging Face. Broken ones: tests/hostile/models."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification, AutoTokenizer

from tests.hostile.models.folders import WEIGHTS, config, edit, pickled, tensors
from tests.parity.checkpoints import build
from tests.parity.huggingface import Reference, largest_difference, prompts
from tests.parity.test_architectures import engine
from vtag.errors import InputError, ModelError
from vtag.model import weights

MODELS = [("bert", True), ("qwen2", False)]
TEXT = "The quick brown fox jumps over the lazy dog."


def stored_as(dtype: torch.dtype) -> Callable[[Path], object]:
    return tensors(lambda state: state.update({key: tensor.to(dtype) for key, tensor in state.items()}))


def padded(folder: Path) -> None:
    """A table of embeddings larger than the tokenizer, as for matrices of a handy size."""
    model = AutoModelForTokenClassification.from_pretrained(folder)
    model.resize_token_embeddings(model.config.vocab_size + 64)
    model.save_pretrained(folder)


def words_added(folder: Path, resize: bool) -> None:
    """Words and a special token that the tokenizer was taught later; the embedding with them, or not."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["Okonkwo", "Larkspur"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<entity>"]})
    tokenizer.save_pretrained(folder)
    if resize:
        model = AutoModelForTokenClassification.from_pretrained(folder)
        model.resize_token_embeddings(len(tokenizer))
        model.save_pretrained(folder)


def in_one_shard(folder: Path) -> None:
    keys = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).rename(folder / "model-00001-of-00001.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(keys, "model-00001-of-00001.safetensors")}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index), "utf-8")


def beside_others(folder: Path) -> None:
    """Files that Hugging Face does not read either, damaged or not."""
    (folder / "training_args.bin").write_bytes(b"\x80no pickle")
    (folder / "pytorch_model.bin").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    (folder / "README.md").write_bytes(b"\xff")
    (folder / "onnx").mkdir()
    # Of an older save, the same names with other numbers.
    other = {key: -tensor for key, tensor in load_file(folder / WEIGHTS).items()}
    for file in ("model-00001-of-00001.safetensors", "optimizer.safetensors"):
        save_file(other, folder / file, {"format": "pt"})
    index = {"metadata": {}, "weight_map": dict.fromkeys(other, "model-00001-of-00001.safetensors")}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index), "utf-8")


def labels_from_last(folder: Path) -> None:
    edit("config.json", lambda raw: raw.update(id2label=dict(reversed(raw["id2label"].items()))))(folder)


def vocabulary_alone(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ordered = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("\n".join(piece for piece, _ in ordered), "utf-8")
    (folder / "tokenizer.json").unlink()


UNUSUAL: dict[str, Callable[[Path], object]] = {
    "float16": stored_as(torch.float16),
    "bfloat16": stored_as(torch.bfloat16),
    "no metadata": lambda folder: save_file(load_file(folder / WEIGHTS), folder / WEIGHTS),
    "one shard": in_one_shard,
    "files beside": beside_others,
    "a padded table": padded,
    "words added, the table with them": lambda folder: words_added(folder, resize=True),
    "words added beyond the table": lambda folder: words_added(folder, resize=False),
    "labels of one name": config(id2label={str(i): "O" if i % 2 else "B-X" for i in range(5)}, label2id={"O": 1}),
    "labels that are numbers": config(id2label={str(i): i for i in range(5)}),
    "labels from the last to the first": labels_from_last,
    "no labels": edit("config.json", lambda raw: raw.update(num_labels=5, id2label=raw.pop("id2label") and None)),
}


def answers_as_hugging_face(folder: Path, packed: bool, **options: Any) -> None:
    reference = Reference(folder)
    batch = prompts(reference.tokenizer, 60, random.Random(1))
    with engine(folder, dtype="float32", **options) as llm:
        assert llm.packed == packed
        assert llm.id2label == {i: str(label) for i, label in reference.model.config.id2label.items()}
        assert list(llm.id2label) == list(range(len(llm.id2label)))
        got = [output.data for output in llm.encode([reference.ids(prompt) for prompt in batch])]
        llm.tag(TEXT)
    assert largest_difference(got, [reference.logits(prompt) for prompt in batch]) < 1e-4


@pytest.mark.parametrize(
    ("name", "model_type", "packed"),
    [  # On the packed route Hugging Face itself loads: less can go wrong.
        pytest.param(name, model_type, packed, marks=pytest.mark.long if packed else ())
        for name, (model_type, packed) in product(UNUSUAL, MODELS)
    ],
)
def test_an_unusual_folder_answers_as_hugging_face(name: str, model_type: str, packed: bool, tmp_path: Path) -> None:
    UNUSUAL[name](build(model_type, tmp_path, seed=0))
    answers_as_hugging_face(tmp_path, packed)


@pytest.mark.parametrize(("model_type", "packed"), MODELS)
@pytest.mark.parametrize("num_labels", [1, 1001])
def test_one_label_and_a_thousand(num_labels: int, model_type: str, packed: bool, tmp_path: Path) -> None:
    answers_as_hugging_face(build(model_type, tmp_path, seed=0, num_labels=num_labels), packed)


def test_a_vocabulary_in_the_old_format(tmp_path: Path) -> None:
    vocabulary_alone(build("bert", tmp_path, seed=0))
    answers_as_hugging_face(tmp_path, packed=True)


def test_a_pickle_in_the_format_before_torch_1_6(tmp_path: Path) -> None:
    build("bert", tmp_path, seed=0)
    state = load_file(tmp_path / WEIGHTS)
    pickled()(tmp_path)
    torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    answers_as_hugging_face(tmp_path, packed=True, load_format="pt")


def test_a_pickle_in_shards(tmp_path: Path) -> None:
    state = load_file(build("bert", tmp_path, seed=0) / WEIGHTS)
    (tmp_path / WEIGHTS).unlink()
    parts = {key: f"pytorch_model-{1 + ('classifier' in key)}.bin" for key in state}
    for part in set(parts.values()):
        torch.save({key: state[key] for key in state if parts[key] == part}, tmp_path / part)
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": parts}), "utf-8")
    answers_as_hugging_face(tmp_path, packed=True, load_format="pt")


@pytest.mark.parametrize(("model_type", "packed"), MODELS)
def test_an_added_token_beyond_the_table_is_refused_with_its_text(
    model_type: str, packed: bool, tmp_path: Path
) -> None:
    words_added(build(model_type, tmp_path, seed=0), resize=False)
    with engine(tmp_path) as llm, pytest.raises(InputError) as raised:
        llm.tag(["fine", "Marisol Okonkwo"])
    assert raised.value.kind == "id_outside"


@pytest.mark.parametrize(("model_type", "packed"), MODELS)
def test_logits_that_are_no_numbers_are_an_error_though_all_weights_are(
    model_type: str, packed: bool, tmp_path: Path
) -> None:
    build(model_type, tmp_path, seed=0)
    head = "classifier.weight" if packed else "score.weight"
    tensors(lambda state: state.update({head: torch.full_like(state[head], 3e38)}))(tmp_path)
    with engine(tmp_path, dtype="float32") as llm:
        for run in (llm.encode, llm.tag):
            with pytest.raises(ModelError) as raised:
                run(TEXT)
            assert raised.value.kind == "logits_not_finite"
            assert "quick" not in str(raised.value)


def test_a_sum_that_overflows_is_no_fault_of_the_weights() -> None:
    layer = torch.nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.fill_(3e38)
    weights.check_finite(layer, "model")
    with torch.no_grad():
        layer.weight[1, 1] = np.inf
    with pytest.raises(ModelError, match=r"^model: NaN or infinity in the weights, in weight"):
        weights.check_finite(layer, "model")


def test_shapes_are_read_from_the_header_alone(tmp_path: Path) -> None:
    save_file({"score.weight": torch.zeros(3, 4, dtype=torch.bfloat16), "n": torch.zeros(())}, tmp_path / WEIGHTS)
    found = weights.shapes(tmp_path, "model")
    assert found == {"score.weight": [3, 4], "n": []}
    assert weights.head_labels(found) == 3
