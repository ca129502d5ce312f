"""A real model over real texts: the label of every token is Hugging Face's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from vtag import LLM
from vtag.model.demo import demo_model

GOLD = Path(__file__).parent.parent / "data" / "pii_synth_gold.jsonl"
TEXTS = [json.loads(line)["text"] for line in GOLD.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    """The label of every token of every text in float32, one text at a time."""
    tokenizer = AutoTokenizer.from_pretrained(demo_model())
    model = AutoModelForTokenClassification.from_pretrained(demo_model(), dtype=torch.float32).eval()
    with torch.inference_mode():
        return np.concatenate([model(**tokenizer(text, return_tensors="pt")).logits[0].argmax(-1) for text in TEXTS])


@pytest.mark.parametrize(("dtype", "share"), [("float32", 1.0), ("bfloat16", 0.995)])
def test_labels_of_the_demo_model_are_hugging_faces(expected: np.ndarray, dtype: str, share: float) -> None:
    outputs = LLM("demo", dtype=dtype).encode(TEXTS)
    got = np.concatenate([output.data.argmax(1) for output in outputs])
    assert len(got) > 10_000
    assert (got == expected).mean() >= share
