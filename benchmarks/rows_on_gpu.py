"""The packed route's rows on a GPU, without vLLM: against the modules themselves, and how fast.

    python benchmarks/rows_on_gpu.py

Small modules with random weights, 60 texts of 3 to 300 tokens in one row: the largest difference of any logit from the
module in float32, text by text, beside what the module itself has in that dtype. Then BERT-base in bf16, 1,900 texts of
about 32 tokens in a row, beside the module on batches of 32 texts of 32.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForTokenClassification

from vtag.backend.packed.row import PackedRow

SMALL: dict[str, Any] = {
    "hidden_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "vocab_size": 1000,
    "num_labels": 9,
    "pad_token_id": 0,
}
GROUPED = {"num_key_value_heads": 2, "head_dim": 64}
KINDS: dict[str, dict[str, Any]] = {
    "bert": SMALL,
    "roberta": SMALL | {"max_position_embeddings": 514},
    "distilbert": {"dim": 256, "n_heads": 4, "n_layers": 2, "hidden_dim": 512, "vocab_size": 1000, "num_labels": 9},
    "modernbert": SMALL,
    "electra": SMALL | {"embedding_size": 128},
    "albert": SMALL | {"embedding_size": 128},
    "qwen2": SMALL | {"num_key_value_heads": 2},
    "qwen3": SMALL | GROUPED,
    "llama": SMALL | {"num_key_value_heads": 2},
    "openai_privacy_filter": SMALL | GROUPED,
}


def compare(kind: str, ids: torch.Tensor, lens: Sequence[int]) -> None:
    """Print how far the row is from the module in float32, in three dtypes."""
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        torch.manual_seed(0)
        module = AutoModelForTokenClassification.from_config(AutoConfig.for_model(kind, **KINDS[kind])).eval().cuda()
        row = PackedRow(copy.deepcopy(module).to(dtype))
        got = row(ids, lens).float()
        want, own = (
            torch.cat([part(input_ids=text[None]).logits[0].float() for text in torch.split(ids, list(lens))])
            for part in (module, copy.deepcopy(module).to(dtype))
        )
        far, itself = (float((logits - want).abs().max()) for logits in (got, own))
        print(f"{kind} {str(dtype).removeprefix('torch.')}: {far:.1e}, the module itself {itself:.1e}", flush=True)


def seconds(run: Callable[[], object]) -> float:
    """The mean of ten."""
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(10):
        run()
    torch.cuda.synchronize()
    return (time.perf_counter() - begun) / 10


@torch.inference_mode()
def main() -> None:
    print(torch.cuda.get_device_name(), torch.__version__)
    chance = np.random.default_rng(0)

    def row_of(lens: np.ndarray) -> tuple[torch.Tensor, list[int]]:
        return torch.from_numpy(chance.integers(5, 1000, lens.sum())).cuda(), sorted(lens.tolist())

    some = row_of(chance.integers(3, 300, 60))
    for kind in KINDS:
        compare(kind, *some)
    module = AutoModelForTokenClassification.from_config(AutoConfig.for_model("bert", num_labels=9)).eval()
    module = module.cuda().bfloat16()
    row = PackedRow(copy.deepcopy(module))
    ids, lens = row_of(np.clip(chance.normal(32, 12, 1900).astype(int), 4, 128))
    taken = seconds(lambda: row(ids, lens))
    print(
        f"BERT-base, a row of {len(ids):,} tokens: {len(ids) / taken:,.0f} tokens/s, {len(lens) / taken:,.0f} texts/s"
    )
    taken = seconds(lambda: module(input_ids=ids[:1024].view(32, 32)))
    print(f"the module, 32 texts of 32: {1024 / taken:,.0f} tokens/s")


if __name__ == "__main__":
    main()
