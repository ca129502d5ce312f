"""The texts of benchmarks: all different, made from those of files; and the gold spans of files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

Gold = list[tuple[int, int, str]]


def read(files: Sequence[Path], count: int, words: int = 0) -> Iterator[str]:
    """`count` texts: those of the JSON Lines with a number behind each, or `words` of their words at random."""
    lines = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    texts = [line.get("text") or " ".join(line["tokens"]) for line in lines]
    if not words:
        return (f"{texts[i % len(texts)]} {i}" for i in range(count))
    all_words = " ".join(texts).split()
    chance = random.Random(0)
    return (" ".join(chance.choices(all_words, k=words)) for _ in range(count))  # 4 µs each


def gold_of(row: dict[str, Any]) -> Gold:
    """The gold spans of a row: its `spans`, or what its `tags` (IOB2, or one plain tag a word) say of its words."""
    if "tags" not in row:
        return [(start, end, label) for start, end, label in row["spans"]]
    gold: Gold = []
    for (start, end), tag in zip(row.get("spans") or places(row["tokens"]), row["tags"], strict=True):
        if tag.startswith("I-"):
            gold[-1] = (gold[-1][0], end, gold[-1][2])
        elif tag != "O":
            gold.append((start, end, tag.removeprefix("B-")))
    return gold


def places(words: Sequence[str]) -> list[tuple[int, int]]:
    """Where words stand that are joined by a space."""
    starts = accumulate((len(word) + 1 for word in words), initial=0)
    return [(start, start + len(word)) for start, word in zip(starts, words, strict=False)]
