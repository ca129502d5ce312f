"""Exact-span F1 of every aggregation strategy, on single texts and on long documents made of them.

    python benchmarks/strategies.py MODEL_FOLDER DATA.jsonl [--join 60] [--separator " "] [--texts even|odd]

Logits come from Hugging Face's module in float32 on one thread. DATA has one JSON object a line: `text` and `spans`,
either `[start, end, label]`, or `[start, end]` per token with `tags` beside it (IOB2, or one plain tag per token).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from texts import Gold, gold_of
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

from vtag.decode import scores, spans
from vtag.decode.hf import HF_STRATEGIES
from vtag.evaluation.exact import exact
from vtag.options import TagOptions
from vtag.tagger import Tagger
from vtag.text.windows import special_ends
from vtag.types import Window

SEEN: dict[bytes, np.ndarray] = {}


def main() -> None:
    """Print one line per strategy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--join", type=int, default=60, help="texts per document")
    parser.add_argument("--separator", default="\n", help="one character that joins them")
    parser.add_argument("--texts", choices=["even", "odd"], help="only every second template (ids name-TEMPLATE-n)")
    parser.add_argument("--words", default="auto")
    parser.add_argument("--only", nargs="*", help="only these strategies")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = AutoConfig.from_pretrained(options.model)
    model = AutoModelForTokenClassification.from_pretrained(options.model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    limit = config.max_position_embeddings - (2 if config.model_type == "roberta" else 0)
    tokenizer.model_max_length = min(tokenizer.model_max_length, limit)
    tagger = Tagger(tokenizer, config.id2label, limit, words=options.words)
    print(options.model, options.data.name, tagger.scheme.describe(), sep="\n")

    rows = read(options.data, options.texts)
    documents = [join(rows[at : at + options.join], options.separator) for at in range(0, len(rows), options.join)]
    for strategy in options.only or [*HF_STRATEGIES, "viterbi"]:
        shown = [f1(tagger, model, rows, strategy)]
        if strategy in HF_STRATEGIES[1:]:
            shown.append(f1(tagger, model, documents, strategy, stride=32))
        elif strategy == "viterbi":
            shown += [f1(tagger, model, documents, strategy), in_context(tagger, model, rows, documents, options.join)]
        print(f"{strategy:8}", *(f"{value:.3f}" for value in shown), flush=True)


def read(path: Path, texts: str | None) -> list[tuple[str, Gold]]:
    """Texts and their gold spans."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        if texts and int(row["id"].split("-")[1]) % 2 != ["even", "odd"].index(texts):
            continue
        found.append((row["text"], gold_of(row)))
    return found


def join(rows: Sequence[tuple[str, Gold]], separator: str) -> tuple[str, Gold]:
    """One document of many texts."""
    text = ""
    gold: Gold = []
    for own, spans_of in rows:
        text += separator if text else ""
        gold += [(start + len(text), end + len(text), label) for start, end, label in spans_of]
        text += own
    return text, gold


def f1(tagger: Tagger, model: Any, rows: Sequence[tuple[str, Gold]], strategy: str, stride: int | None = None) -> float:
    """Tag the texts through the Tagger, and score the spans."""
    options = tagger.bind(TagOptions(strategy, stride=stride))
    predicted: list[Gold] = []
    for at in range(0, len(rows), 64):
        batch = tagger.prepare([text for text, _ in rows[at : at + 64]], options)
        tagged = tagger.finish(batch, run(model, batch.windows))
        predicted += [[span.to_tuple() for span in row] for row in tagged]
    return exact([gold for _, gold in rows], predicted).f1


def in_context(
    tagger: Tagger, model: Any, rows: Sequence[tuple[str, Gold]], documents: Sequence[tuple[str, Gold]], size: int
) -> float:
    """Every text once, in the middle of a window (a quarter of the limit, 64 tokens at least) of its document."""
    room = max(tagger.max_length // 4, 64)
    predicted: list[Gold] = []
    for number, (text, _) in enumerate(documents):
        encoding = tagger.prepare([text]).encodings[0]
        assert encoding.offsets is not None
        lengths = [len(own) + 1 for own, _ in rows[number * size : (number + 1) * size]]
        prefix, suffix = special_ends(encoding)
        tokens = len(encoding.ids) - suffix
        starts = np.searchsorted(encoding.offsets[prefix:tokens, 0], np.cumsum([0, *lengths])) + prefix
        windows, kept = [], []
        ranges = [
            (at, min(at + room - 8, stop))
            for start, stop in pairwise(starts.tolist())
            for at in range(start, stop, room - 8)
        ]
        for first, last in ranges:
            spare = max(room - prefix - suffix - (last - first), 0)
            low = max(prefix, min(first - spare // 2, tokens - (last - first) - spare))
            high = min(tokens, max(last, low + room - prefix - suffix))
            ids = np.concatenate([encoding.ids[:prefix], encoding.ids[low:high], encoding.ids[tokens:]])
            windows.append(Window(ids, 0, low, high, prefix))
            kept.append((prefix + first - low, prefix + last - low))
        logits = [row[first:last] for row, (first, last) in zip(run(model, windows), kept, strict=True)]
        empty = np.zeros((1, logits[0].shape[1]), np.float32)
        chances = scores.softmax(np.concatenate([empty] * prefix + logits + [empty] * suffix))
        predicted.append([span.to_tuple() for span in spans.decode([encoding], [chances], tagger.scheme)[0]])
    return exact([gold for _, gold in documents], predicted).f1


def run(model: Any, windows: Sequence[Window]) -> list[np.ndarray]:
    """Logits of the windows, in padded batches of like lengths; what was run before is not run again."""
    logits: list[Any] = [SEEN.get(window.ids.tobytes()) for window in windows]
    missing = [at for at, known in enumerate(logits) if known is None]
    order = sorted(missing, key=lambda at: -len(windows[at].ids))
    for at in range(0, len(order), 16):
        batch = order[at : at + 16]
        longest = len(windows[batch[0]].ids)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        mask = torch.zeros(len(batch), longest, dtype=torch.long)
        for row, window in enumerate(batch):
            size = len(windows[window].ids)
            ids[row, :size] = torch.from_numpy(windows[window].ids.astype(np.int64))
            mask[row, :size] = 1
        with torch.inference_mode():
            answers = model(input_ids=ids, attention_mask=mask).logits.numpy()
        for row, window in enumerate(batch):
            logits[window] = answers[row, : len(windows[window].ids)]
            SEEN[windows[window].ids.tobytes()] = logits[window]
    return logits


if __name__ == "__main__":
    main()
