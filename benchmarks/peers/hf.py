"""Hugging Face, `hf.py 1|32|bfloat16|float32`: the pipeline as shipped, a text or 32 at a time, or the module by hand.

By hand: batches of like length, inference mode, scaled-dot-product attention.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from system import Sorted, serve
from transformers import AutoModelForTokenClassification, AutoTokenizer, TokenClassificationPipeline


class LogitsOnly(TokenClassificationPipeline):
    """The pipeline without its last stage."""

    def postprocess(self, all_outputs: Any, **_: Any) -> Any:
        """Nothing."""
        return [of_chunk["logits"] for of_chunk in all_outputs]


def as_shipped(model: Path, batch: int) -> Any:
    """`pipeline("token-classification")`, in the checkpoint's dtype."""
    made = AutoModelForTokenClassification.from_pretrained(model)
    parts = {"model": made, "tokenizer": AutoTokenizer.from_pretrained(model), "batch_size": batch}
    pipelines = {
        True: TokenClassificationPipeline(**parts, aggregation_strategy="simple"),
        False: LogitsOnly(**parts),
    }

    def run(texts: list[str], spans: bool) -> Any:
        return pipelines[spans](texts)

    return run, f"batch_size={batch}, {made.dtype}"


def by_hand(model: Path, dtype: str, texts: list[str]) -> Any:
    """The module over sorted batches."""
    module = AutoModelForTokenClassification.from_pretrained(model, dtype=getattr(torch, dtype)).eval()

    @torch.inference_mode()
    def forward(batches: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        inputs = ((torch.from_numpy(ids), torch.from_numpy(mask)) for ids, mask in batches)
        return [module(input_ids=ids, attention_mask=mask).logits.float().numpy() for ids, mask in inputs]

    run = Sorted(model, forward, texts)
    return run, f"{dtype}, {module.config._attn_implementation}, {run.size} tokens a batch"


def load(model: Path, texts: list[str]) -> Any:
    """By the command's argument."""
    way = sys.argv[1]
    return as_shipped(model, int(way)) if way.isdigit() else by_hand(model, way, texts)


if __name__ == "__main__":
    serve(load)
