"""LoRA on the native route: what peft says of its adapter, or one line that says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from torch import nn
from transformers import AutoModelForTokenClassification, AutoTokenizer
from vllm.lora.request import LoRARequest

from tests.parity.checkpoints import build
from tests.parity.huggingface import largest_difference
from vtag import LLM
from vtag.errors import ModelError, SettingError

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
TEXTS = ["anna called bob", "a", "the quick brown fox jumps over the lazy dog, again and again"]


@pytest.fixture(scope="module")
def qwen2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("qwen2", tmp_path_factory.mktemp("qwen2"), seed=0)


@pytest.fixture(scope="module")
def llm(qwen2: Path) -> LLM:
    return LLM(qwen2, dtype="float32", enable_lora=True, max_loras=1, max_lora_rank=8)


@pytest.fixture(scope="module")
def adapter(qwen2: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LoRARequest]:
    """Makes an adapter as peft saves it, all of its weights at random; the number is the adapter's own."""

    def make(number: int, **settings: Any) -> LoRARequest:
        torch.manual_seed(number)
        model = AutoModelForTokenClassification.from_pretrained(qwen2, dtype=torch.float32)
        wanted: dict[str, Any] = {"r": 8, "lora_alpha": 16, "target_modules": ATTENTION} | settings
        model = get_peft_model(model, LoraConfig(**wanted))
        for name, parameter in model.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                nn.init.normal_(parameter, std=0.2)
        folder = tmp_path_factory.mktemp("adapter")
        model.save_pretrained(str(folder))
        return LoRARequest(f"adapter-{number}", number, str(folder))

    return make


def logits(model: nn.Module, folder: Path, texts: list[str] = TEXTS) -> list[np.ndarray]:
    """What the model itself says of each text."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        return [model(**tokenizer(text, return_tensors="pt")).logits[0].numpy() for text in texts]


def with_adapter(folder: Path, request: LoRARequest) -> nn.Module:
    base = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32)
    return PeftModel.from_pretrained(base, request.lora_path).eval()


def test_an_adapter_of_the_attention_equals_peft_and_leaves_the_model_as_it_was(
    llm: LLM, qwen2: Path, adapter: Callable[..., LoRARequest]
) -> None:
    request = adapter(1)
    plain = logits(AutoModelForTokenClassification.from_pretrained(qwen2, dtype=torch.float32).eval(), qwen2)
    adapted = logits(with_adapter(qwen2, request), qwen2)
    assert largest_difference(adapted, plain) > 0.1
    for expected, asked in ((plain, None), (adapted, request), (plain, None)):
        got = [output.data for output in llm.encode(TEXTS, lora_request=asked)]
        assert largest_difference(got, expected) < 1e-3


def test_a_list_of_adapters_goes_by_text_though_a_text_has_many_windows(
    qwen2: Path, llm: LLM, adapter: Callable[..., LoRARequest]
) -> None:
    request = adapter(2)
    texts = ["anna called bob " * 60, TEXTS[2]]
    outputs = llm.encode(texts, lora_request=[None, request])
    assert outputs[0].windows > 1
    assert largest_difference([outputs[0].data], [llm.encode(texts[0])[0].data]) < 1e-4
    assert largest_difference([outputs[1].data], logits(with_adapter(qwen2, request), qwen2, texts[1:])) < 1e-3
    with pytest.raises(SettingError, match="1 LoRA requests for 2 texts"):
        llm.encode(texts, lora_request=[request])


def test_an_adapter_with_a_trained_head_is_refused_and_merged_it_is_right(
    llm: LLM, qwen2: Path, adapter: Callable[..., LoRARequest], tmp_path: Path
) -> None:
    request = adapter(3, task_type=TaskType.TOKEN_CLS)
    model = with_adapter(qwen2, request)
    with pytest.raises(ModelError, match=r"has its own head.*merge_and_unload"):
        llm.encode(TEXTS, lora_request=request)
    expected = logits(model, qwen2)
    model.merge_and_unload().save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(qwen2).save_pretrained(tmp_path)
    merged = LLM(tmp_path, dtype="float32")
    assert not merged.packed
    assert largest_difference([output.data for output in merged.encode(TEXTS)], expected) < 1e-3


def test_an_adapter_that_changes_the_head_by_low_rank_is_refused(llm: LLM, adapter: Callable[..., LoRARequest]) -> None:
    with pytest.raises(ModelError, match="has its own head"):
        llm.tag(TEXTS, lora_request=adapter(4, target_modules=[*ATTENTION, "score"]))


def test_what_the_engine_cannot_apply_is_refused_in_one_line_and_the_engine_works_on(
    llm: LLM, adapter: Callable[..., LoRARequest], tmp_path: Path
) -> None:
    for settings, reason in (({"r": 16}, "rank 16"), ({"use_dora": True}, "DoRA")):
        with pytest.raises(ModelError, match=reason) as caught:
            llm.encode(TEXTS, lora_request=adapter(5, **settings))
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="adapter_config"):
        llm.encode(TEXTS, lora_request=LoRARequest("nothing", 6, str(tmp_path)))
    assert len(llm.encode(TEXTS)) == len(TEXTS)


def test_an_adapter_wants_an_engine_started_with_lora(qwen2: Path, adapter: Callable[..., LoRARequest]) -> None:
    request = adapter(7)
    without = LLM(qwen2, dtype="float32")
    with pytest.raises(SettingError, match="enable_lora=True"):
        without.encode(TEXTS, lora_request=request)
