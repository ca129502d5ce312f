"""What is known of a model, and refused, before an engine starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer
from vllm.engine.arg_utils import EngineArgs

from tests.backend.test_native import quantise
from tests.checkpoints import good
from tests.parity.checkpoints import build
from vtag.errors import VtagError
from vtag.model.architectures import PACKED
from vtag.model.engine_settings import NATIVE_TOKENS
from vtag.model.plan import make_plan, of_engine
from vtag.system import int8


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return good(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def qwen2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("qwen2", tmp_path_factory.mktemp("qwen2"), seed=0)


def test_an_encoder_goes_packed_and_its_requests_are_longer_than_its_windows(bert: Path) -> None:
    made = make_plan(bert)
    assert made.packed
    assert made.architecture == PACKED
    assert made.limit == made.checkpoint.config.max_position_embeddings == 512
    assert made.arguments["max_model_len"] > made.limit
    assert made.arguments["model"] == str(bert)
    assert made.arguments["served_model_name"] == str(bert)
    assert made.id2label == {0: "LABEL_0", 1: "LABEL_1"}


def test_a_packed_model_without_a_vocabulary_has_a_size_that_vllm_can_divide_by(bert: Path, tmp_path: Path) -> None:
    assert make_plan(build("canine", tmp_path, seed=0)).arguments["hf_overrides"]["vocab_size"] == 1
    assert "vocab_size" not in make_plan(bert).arguments["hf_overrides"]


def test_a_decoder_of_vllms_goes_natively_with_windows_as_long_as_asked_for(qwen2: Path) -> None:
    made = make_plan(qwen2, max_model_len=64)
    assert not made.packed
    assert made.architecture == "VtagQwen2ForCausalLMForTokenClassification"
    assert made.limit == made.arguments["max_model_len"] == 64
    assert make_plan(qwen2).limit == min(make_plan(qwen2).checkpoint.config.max_position_embeddings, NATIVE_TOKENS)


def test_int8_goes_packed_and_is_no_engine_argument(qwen2: Path) -> None:
    made = make_plan(qwen2, quantization="int8")
    assert made.packed
    assert "quantization" not in made.arguments
    assert made.arguments["hf_overrides"]["vtag_int8"] is True


def test_what_the_user_says_wins_over_vtags_settings(bert: Path) -> None:
    made = make_plan(bert, dtype="float32", seed=7, hf_overrides={"attention_dropout": 0.5})
    assert made.arguments["dtype"] == "float32"
    assert made.arguments["seed"] == 7
    assert made.arguments["hf_overrides"]["attention_dropout"] == 0.5
    assert made.arguments["hf_overrides"]["architectures"] == [PACKED]


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"task": "embed"}, "other_task"),
        ({"scheme": "none such"}, "unknown_scheme"),
        ({"words_rule": "none such"}, "bad_words"),
        ({"model_config": {"num_labels": 3}}, "num_labels"),
        ({"enable_lora": True}, "packed_lora"),
        ({"tensor_parallel_size": 2}, "packed_parallel"),
    ],
)
def test_options_that_do_not_fit_are_one_line(bert: Path, options: dict[str, Any], kind: str) -> None:
    with pytest.raises(VtagError) as raised:
        make_plan(bert, **options)
    assert raised.value.kind == kind
    assert "\n" not in str(raised.value)


def test_quantised_weights_in_float32_are_refused_where_vllms_kernel_would_fail(qwen2: Path, tmp_path: Path) -> None:
    folder = build("qwen2", tmp_path, seed=0)
    config = folder / "config.json"
    quantised = {"quantization_config": {"quant_method": "compressed-tensors"}}
    config.write_text(json.dumps(json.loads(config.read_text("utf-8")) | quantised), "utf-8")
    assert not make_plan(folder, dtype="bfloat16").packed
    if not torch.cpu._is_amx_tile_supported():
        assert not make_plan(folder, dtype="float32").packed
        return
    for dtype in ("float32", torch.float32):
        with pytest.raises(VtagError, match="leave dtype out"):
            make_plan(folder, dtype=dtype)


def test_int8_weights_in_a_server_of_vllms_own_are_refused_where_its_products_saturate(
    qwen2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build("qwen2", tmp_path, seed=0)
    quantise(folder, ["lm_head", "score"], "channel")

    def served(model: Path) -> str:
        config = EngineArgs(
            str(model), runner="pooling", served_model_name="m", dtype="bfloat16"
        ).create_engine_config()
        return of_engine(config, AutoTokenizer.from_pretrained(model)).name

    monkeypatch.setattr(int8, "saturates", lambda: True)
    assert served(qwen2) == "m"
    with pytest.raises(VtagError, match=r"m: .* no VNNI: use vtag serve") as raised:
        served(folder)
    assert raised.value.kind == "int8_saturates"
    monkeypatch.setattr(int8, "saturates", lambda: False)
    assert served(folder) == "m"
