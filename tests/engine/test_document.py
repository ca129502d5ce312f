"""The document's lines, as they are written there, in scripts of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    BertForTokenClassification,
    BertModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from tests import scripts
from tests.parity.checkpoints import build
from vtag import LLM

TEXT = "The quick brown fox jumps over the lazy dog."

DOCUMENT = """
from vllm import LLM

llm = LLM(model="{model}", task="token_classification", model_config={{"num_labels": 2}})

outputs = llm.encode("The quick brown fox jumps over the lazy dog.")
token_logits = outputs[0].data

import torch

probabilities = torch.nn.functional.softmax(torch.tensor(token_logits), dim=-1)
print(probabilities.shape)
"""

MODEL_TYPES = ("bert", "roberta", "qwen2")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {name: Path(build(name, root / name, seed=1, num_labels=2)) for name in MODEL_TYPES}


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process that imports all anew."""
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | environment, check=False
    )


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_documents_lines_run_unchanged(checkpoints: dict[str, Path], model_type: str) -> None:
    tokens = len(AutoTokenizer.from_pretrained(checkpoints[model_type])(TEXT)["input_ids"])
    lines = DOCUMENT.format(model=checkpoints[model_type])
    done = run(lines) if model_type == "bert" else scripts.run(["-c", lines])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"torch.Size([{tokens}, 2])"


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_in_float32_the_logits_are_hugging_faces(checkpoints: dict[str, Path], model_type: str) -> None:
    folder = checkpoints[model_type]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        expected = model(**tokenizer(TEXT, return_tensors="pt")).logits[0].numpy()
    llm = LLM(folder, task="token_classification", model_config={"num_labels": 2}, dtype="float32")
    logits = llm.encode(TEXT)[0].data
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, atol=1e-4, rtol=0)


@pytest.mark.long
def test_where_vllm_plugins_does_not_name_vtag_the_lines_fail_as_in_stock_vllm(checkpoints: dict[str, Path]) -> None:
    done = run(DOCUMENT.format(model=checkpoints["bert"]), VLLM_PLUGINS="another")
    assert done.returncode == 1
    assert "TypeError: EngineArgs.__init__() got an unexpected keyword argument 'task'" in done.stderr


ORDERS = (
    "from vllm import LLM",
    "import vllm.config; from vllm import LLM",
    "import vllm.platforms; vllm.platforms.current_platform; from vllm.entrypoints.llm import LLM",
    "import vllm.entrypoints.pooling.offline; from vllm import LLM",
    "from vtag import LLM as Ours; from vllm import LLM",
)


@pytest.mark.long
@pytest.mark.parametrize("order", ORDERS)
def test_the_hook_takes_in_every_order_of_imports(order: str) -> None:
    done = run(f"{order}\nprint(hasattr(LLM.__init__, '__vtag__'))")
    assert done.stdout.strip() == "True", done.stderr


STOCK = """
import sys
import numpy as np
from vllm import LLM, PoolingParams, SamplingParams

def start(name, **kwargs):
    return LLM(f"{sys.argv[1]}/{name}", dtype="float32", enforce_eager=True, gpu_memory_utilization=0.1, **kwargs)

ids = [{"prompt_token_ids": [5, 6, 7, 8]}]
llm = start("bert", runner="pooling")
print(llm.encode(ids, pooling_task="token_classify", use_tqdm=False)[0].outputs.data.numpy().round(6).tolist())
try:
    llm.encode(ids, use_tqdm=False)
except ValueError as error:
    print("pooling_task required" in str(error))
del llm
llm = start("base", runner="pooling")
print(np.round(llm.embed(ids, use_tqdm=False)[0].outputs.embedding, 6).tolist())
del llm
llm = start("qwen2")
print(llm.generate(ids, SamplingParams(temperature=0, max_tokens=4), use_tqdm=False)[0].outputs[0].token_ids)
print(type(llm).__module__)
"""


@pytest.mark.long
def test_other_uses_of_vllm_stay_as_they_were(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Stock token_classify, embedding and generation print the same with vtag's hook and without."""
    # vLLM's CPU attention wants heads of 32 at least.
    size = {"hidden_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 64}
    bert = BertConfig(**size, vocab_size=len(AutoTokenizer.from_pretrained(checkpoints["bert"])))
    qwen2 = Qwen2Config(
        **size,
        num_key_value_heads=1,
        vocab_size=len(AutoTokenizer.from_pretrained(checkpoints["qwen2"])),
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    for name, model in (
        ("bert", BertForTokenClassification(bert)),
        ("base", BertModel(bert)),
        ("qwen2", Qwen2ForCausalLM(qwen2)),
    ):
        model.save_pretrained(tmp_path / name)
        AutoTokenizer.from_pretrained(checkpoints["qwen2" if name == "qwen2" else "bert"]).save_pretrained(
            tmp_path / name
        )
    script = STOCK.replace("sys.argv[1]", repr(str(tmp_path)))
    quiet = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "ERROR"}
    with_vtag, without = run(script, **quiet), run(script, **quiet, VLLM_PLUGINS="another")
    assert without.returncode == 0, without.stderr
    assert with_vtag.stdout == without.stdout
    assert with_vtag.stdout.splitlines()[-1] == "vllm.entrypoints.llm"
