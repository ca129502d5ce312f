"""Odd texts are tagged, or refused in one line that does not show them, whatever the tokenizer, strategy and logits.

hostile.jsonl holds whole texts; a text of hostile_big.jsonl is prefix + unit x count + suffix. ASCII, so that lone
surrogates survive in them.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tagging import finish, prepare
from vtag.errors import InputError
from vtag.options import STRATEGIES
from vtag.tagger import Tagger
from vtag.types import Span

HERE = Path(__file__).parent
LABELS = dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))
# Long enough for many windows, short enough for a quick test.
MOST = 400


def read(name: str) -> list[Any]:
    return [json.loads(line) for line in (HERE / name).read_text("ascii").splitlines()]


TEXTS = {row["name"]: row["text"] for row in read("hostile.jsonl")} | {
    row["name"]: row["prefix"] + row["unit"] * min(row["count"], MOST) + row["suffix"]
    for row in read("hostile_big.jsonl")
}
GOOD = {
    name: text for name, text in TEXTS.items() if text.isascii() or not any(0xD800 <= ord(c) < 0xE000 for c in text)
}
CASES = [(strategy, stride) for strategy in STRATEGIES for stride in (None, 5) if (strategy, stride) != ("none", 5)]


def tag(
    tagger: Tagger, texts: list[str], strategy: str, stride: int | None, *, broken: bool = False
) -> list[list[Span]]:
    """Spans from logits drawn at random; with `broken`, some of them are infinite or no number."""
    rng = np.random.default_rng(0)
    batch = prepare(tagger, texts, aggregation_strategy=strategy, stride=stride)
    logits = [rng.normal(0, 3, (len(window.ids), len(LABELS))).astype(np.float32) for window in batch.windows]
    assert all(len(window.ids) <= tagger.max_length for window in batch.windows)
    for row in logits if broken else []:
        draw = rng.random(row.shape)
        row[draw < 0.1], row[draw > 0.9], row[:: len(row)] = np.nan, np.inf, -np.inf
    return finish(tagger, batch, logits)


@pytest.mark.parametrize(("strategy", "stride"), CASES)
def test_odd_texts_are_tagged(family: Any, strategy: str, stride: int | None) -> None:
    found = tag(Tagger(family, LABELS, 64), list(GOOD.values()), strategy, stride)
    assert len(found) == len(GOOD)
    for text, spans in zip(GOOD.values(), found, strict=True):
        assert all(span.text == text[span.start : span.end] and 0 <= span.score <= 1 for span in spans)
    assert json.loads(json.dumps([span.to_hf() for spans in found for span in spans]))


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("stride", [None, 5])
def test_the_default_gives_proper_spans(family: Any, multi_label: bool, broken: bool, stride: int | None) -> None:
    tagger = Tagger(family, LABELS, 64, multi_label=multi_label)
    found = tag(tagger, list(GOOD.values()), "viterbi", stride, broken=broken)
    for text, spans in zip(GOOD.values(), found, strict=True):
        for span in spans:
            assert span.text == text[span.start : span.end] == span.text.strip() != ""
            assert 0 <= span.score <= 1
        for kind in ("PER", "LOC") if multi_label else (None,):
            own = [span for span in spans if kind in (None, span.label)]
            assert all(first.end <= second.start for first, second in pairwise(own))


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - GOOD.keys()))
def test_halves_of_surrogate_pairs_are_refused_without_showing_the_text(family: Any, name: str) -> None:
    tagger = Tagger(family, LABELS, 64)
    given: list[dict[str, Any]] = [{"texts": ["a", TEXTS[name]]}, {"words": [["a"], TEXTS[name].split()]}]
    for case in given:
        with pytest.raises(InputError, match=r"^text 1 has a lone surrogate") as caught:
            prepare(tagger, **case)
        assert str(caught.value).isascii()
        assert "\n" not in str(caught.value)
