"""What the default strategy costs after the model has answered, in seconds of one core.

    python benchmarks/decode_cost.py

Logits to spans: 3,000 texts of 33 tokens, and one document of 100,000 tokens, 35 BIO labels. "noise" is the worst
case (no label ever sure, a span every other token); "text" has a sure label everywhere and entities at 15 % of tokens.
"""

from __future__ import annotations

import time

import numpy as np

from vtag.decode import scheme, scores, spans
from vtag.types import Encoding


def main() -> None:
    """Print the least of five runs for each case."""
    types = [f"TYPE{number}" for number in range(17)]
    labels = scheme.read(dict(enumerate(["O", *(f"{prefix}-{kind}" for kind in types for prefix in "BI")])))
    rng = np.random.default_rng(0)
    for kind in ("noise", "text"):
        for texts, tokens in ((3000, 33), (1, 100_000)):
            encodings = [encode(rng, tokens) for _ in range(texts)]
            logits = draw(rng, texts * tokens, len(labels.labels), kind)
            seconds = []
            for _ in range(5):
                began = time.process_time()
                chances = scores.softmax(logits).reshape(texts, tokens, -1)
                found = spans.decode(encodings, list(chances), labels)
                seconds.append(time.process_time() - began)
            print(f"{kind:5} {texts:5} x {tokens:6} tokens: {min(seconds):.3f} s, {sum(map(len, found))} spans")


def encode(rng: np.random.Generator, tokens: int) -> Encoding:
    """Words of one or more tokens of three letters; three tokens in four begin a word."""
    begins = rng.random(tokens) < 0.75
    text = "".join(" abc" if first else "abc" for first in begins)
    end = np.cumsum(3 + begins)
    offsets = np.stack([end - 3, end], axis=1).astype(np.int32)
    ids = np.arange(tokens, dtype=np.int32)
    return Encoding(text, ids, np.zeros(tokens, bool), offsets, np.cumsum(begins).astype(np.int32))


def draw(rng: np.random.Generator, rows: int, labels: int, kind: str) -> np.ndarray:
    """float32 [rows, labels]."""
    logits = rng.normal(size=(rows, labels)).astype(np.float32)
    if kind == "text":
        logits[:, 0] += 8
        entity = rng.random(rows) < 0.15
        logits[entity, rng.integers(1, labels, entity.sum())] += 10
    return logits


if __name__ == "__main__":
    main()
