"""What every peer shares: a process that loads a model and then takes passes over texts; batches; Hugging Face's spans.

A pass is a line of JSON on stdin, {"texts": [...], "spans": true}, and its answer one on stdout, {"seconds": ...,
"found": ...}.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Tokens of a batch, padding included: each peer takes the one it is fastest with.
BATCH_TOKENS = (512, 1024, 2048, 4096, 8192)
# Logits of a batch: ids and mask, int64 [texts, length] -> float32 [texts, length, labels], for some batches at once.
Forward = Callable[[list[tuple[np.ndarray, np.ndarray]]], list[np.ndarray]]


def serve(load: Callable[[Path, list[str]], tuple[Callable[[list[str], bool], Any], str]]) -> None:
    """`load(model, texts)` gives what runs texts, to spans or to logits alone, and how it is set."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print
    first = json.loads(sys.stdin.readline())
    run, settings = load(Path(first["model"]), first["texts"])

    def answer(**said: Any) -> None:
        print(json.dumps(said), file=answers, flush=True)

    answer(settings=settings)
    for line in sys.stdin:
        asked = json.loads(line)
        begun = time.perf_counter()
        found = run(asked["texts"], asked["spans"])
        answer(seconds=time.perf_counter() - begun, found=sum(map(len, found)))


class Spans:
    """Hugging Face's own aggregation, "simple", of logits from elsewhere."""

    def __init__(self, model: Path) -> None:
        import torch
        from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer, TokenClassificationPipeline
        from transformers.pipelines.token_classification import AggregationStrategy

        self.tokenizer = AutoTokenizer.from_pretrained(model)
        with torch.device("meta"):
            module = AutoModelForTokenClassification.from_config(AutoConfig.from_pretrained(model))
        module._device = torch.device("cpu")
        self.pipeline = TokenClassificationPipeline(model=module, tokenizer=self.tokenizer, device="meta")
        self.simple = AggregationStrategy.SIMPLE

    def __call__(self, text: str, encoding: Any, logits: np.ndarray) -> list[dict[str, Any]]:
        """Spans of one text; logits: float32 [tokens, labels]."""
        import torch

        of_text = {
            "logits": torch.from_numpy(logits)[None],
            "sentence": text,
            "input_ids": [encoding.ids],
            "offset_mapping": [encoding.offsets],
            "special_tokens_mask": np.array([encoding.special_tokens_mask]).view(Masks),
        }
        found: list[dict[str, Any]] = self.pipeline.postprocess([of_text], aggregation_strategy=self.simple)
        return found


class Masks(np.ndarray):
    """An array that says `numpy()`, as a tensor does."""

    def numpy(self) -> np.ndarray:
        """Itself."""
        return self


class Sorted:
    """Texts in batches of like length: what a careful user writes around a model that takes padded batches."""

    def __init__(self, model: Path, forward: Forward, texts: Sequence[str]) -> None:
        self.spans = Spans(model)
        self.tokenizer = self.spans.tokenizer
        self.forward = forward
        self.size = BATCH_TOKENS[0]
        taken = {}
        for size in BATCH_TOKENS:
            self.size = size
            taken[size] = self.least(texts)
        self.size = min(taken, key=lambda size: taken[size])

    def __call__(self, texts: Sequence[str], spans: bool) -> Any:
        """The spans of each text, or its logits."""
        encodings = self.tokenizer(list(texts)).encodings
        batches = list(self.batches([len(encoding) for encoding in encodings]))
        answers = self.forward([self.padded(batch, encodings) for batch in batches])
        logits: list[Any] = [None] * len(texts)
        for batch, rows in zip(batches, answers, strict=True):
            for text, row in zip(batch, rows, strict=True):
                logits[text] = row[: len(encodings[text])]
        return [*map(self.spans, texts, encodings, logits)] if spans else logits

    def least(self, texts: Sequence[str]) -> float:
        """Seconds of the best of three passes, after one to warm up: one alone may have met a busy machine."""
        taken = []
        for _ in range(4):
            begun = time.perf_counter()
            self(texts, False)
            taken.append(time.perf_counter() - begun)
        return min(taken[1:])

    def batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Indices of texts, long ones first."""
        batch: list[int] = []
        for text in np.argsort(lengths, kind="stable")[::-1].tolist():
            if batch and lengths[batch[0]] * (len(batch) + 1) > self.size:
                yield batch
                batch = []
            batch.append(text)
        yield batch

    def padded(self, batch: Sequence[int], encodings: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Ids and mask, int64 [texts, length]."""
        longest = len(encodings[batch[0]])
        ids = np.full((len(batch), longest), self.tokenizer.pad_token_id or 0, np.int64)
        mask = np.zeros_like(ids)
        for row, text in enumerate(batch):
            own = encodings[text].ids
            ids[row, : len(own)], mask[row, : len(own)] = own, 1
        return ids, mask
