"""Time and memory grow with a text's length, not with its square, whatever the text is made of.

hostile_kinds.jsonl: a text is prefix + unit, repeated. What was quadratic took minutes at these lengths.
benchmarks/doubling.py measures the same texts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.hostile.test_hostile import LABELS, read, tag
from vtag.decode.graphemes import within
from vtag.tagger import Tagger

KINDS = {row["name"]: (row["prefix"], row["unit"]) for row in read("hostile_kinds.jsonl")}


def text_of(name: str, length: int) -> str:
    prefix, unit = KINDS[name]
    return str(prefix + unit * (length // len(unit) + 1))[:length]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", KINDS)
def test_clusters_of_200_000_characters_are_found_in_seconds(name: str) -> None:
    text = text_of(name, 200_000)
    within([text], np.frombuffer(text.encode("utf-32-le"), np.uint32))


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.parametrize("strategy", ["viterbi", "average"])
@pytest.mark.parametrize("name", KINDS)
def test_100_000_characters_are_tagged_in_seconds(family: Any, name: str, strategy: str) -> None:
    text = text_of(name, 100_000)
    (spans,) = tag(Tagger(family, LABELS, 512), [text], strategy, None)
    assert all(span.text == text[span.start : span.end] for span in spans)
