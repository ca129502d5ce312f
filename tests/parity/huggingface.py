"""What Hugging Face itself says of a text: the reference of every parity test."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from tests.parity.tokenizers import text_of
from vtag.model.architectures import ARCHITECTURES


@dataclass(frozen=True)
class Prompt:
    """A text, with or without the special tokens around it."""

    text: str
    special: bool = True


def prompts(tokenizer: Any, longest: int, rng: random.Random) -> list[Prompt]:
    """A ragged batch: from one token to exactly the longest text, some lengths twice, odd texts among them."""
    lengths = [longest, 5, 9, 17, 9, longest // 2, longest // 3, 5]
    made = [Prompt(text_of(tokenizer, n, rng)) for n in lengths]
    made += [Prompt(text_of(tokenizer, n, rng, special=False), special=False) for n in (1, 2, 3)]
    odd = "Zoë's e-mail (b.o.b@acme.example) — 5:30, #7!"
    fits = len(tokenizer(odd)["input_ids"]) <= longest
    return [*made, Prompt(odd)] if fits else made


class Reference:
    """Hugging Face's own model and tokenizer, one text at a time, float32."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
        self.row = ARCHITECTURES[self.model.config.model_type]
        self.shortest = self.row.shortest(self.model.config) if self.row.shortest else 1

    def ids(self, prompt: Prompt) -> list[int]:
        return self.tokenizer(prompt.text, add_special_tokens=prompt.special)["input_ids"]

    @torch.inference_mode()
    def logits(self, prompt: Prompt) -> np.ndarray:
        """float32 [tokens, labels], as a model that has just been loaded computes them."""
        n = len(self.ids(prompt))
        padding = {"padding": "max_length", "max_length": self.shortest} if n < self.shortest else {}
        inputs = self.tokenizer(prompt.text, add_special_tokens=prompt.special, return_tensors="pt", **padding)
        if self.row.reset is not None:
            self.row.reset(self.model)
        return self.model(**inputs).logits[0, :n].numpy()


def largest_difference(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
    """Over all logits; infinite where the shapes differ."""
    pairs = list(zip(one, other, strict=True))
    if any(a.shape != b.shape for a, b in pairs):
        return float("inf")
    return max(float(np.abs(a - b).max()) for a, b in pairs)
