"""The texts of benchmarks: all different, made from those of files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path


def read(files: Sequence[Path], count: int, words: int = 0) -> Iterator[str]:
    """`count` texts: those of the JSON Lines with a number behind each, or `words` of their words at random."""
    lines = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    texts = [line.get("text") or " ".join(line["tokens"]) for line in lines]
    if not words:
        return (f"{texts[i % len(texts)]} {i}" for i in range(count))
    all_words = " ".join(texts).split()
    chance = random.Random(0)
    return (" ".join(chance.choices(all_words, k=words)) for _ in range(count))  # 4 µs each
