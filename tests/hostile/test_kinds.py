"""Time and memory grow with a text's length, not with its square, whatever the text is made of.

hostile_kinds.jsonl: a text is prefix + unit, repeated. What was quadratic took minutes at these lengths.
benchmarks/doubling.py measures the same texts.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hostile.test_hostile import LABELS, read, tag
from tests.parity.checkpoints import build
from tests.serve.servers import serving
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
def test_30_000_characters_are_tagged_in_seconds(family: Any, name: str, strategy: str) -> None:
    text = text_of(name, 30_000)
    (spans,) = tag(Tagger(family, LABELS, 512), [text], strategy, None)
    assert all(span.text == text[span.start : span.end] for span in spans)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny RoBERTa with random weights."""
    return Path(build("roberta", tmp_path_factory.mktemp("models") / "small", seed=0, num_labels=5))


@pytest.mark.long
def test_21_000_characters_of_each_go_through_python_files_and_http(small: Path, tmp_path: Path) -> None:
    from vtag import LLM

    texts = {name: text_of(name, 21_000) for name in KINDS}  # more than a long text has
    lines = {name: text for name, text in texts.items() if len(text.splitlines()) == 1}
    with LLM(model=small, dtype="float32") as llm:
        wanted = {name: [span.to_tuple() for span in llm.tag(text)[0]] for name, text in texts.items()}
    stdin = tmp_path / "lines"
    stdin.write_text("\n".join(lines.values()) + "\n", "utf-8")
    command = [sys.executable, "-m", "vtag", "tag", str(small), "--dtype", "float32", "--json"]
    with stdin.open("rb") as given:
        done = subprocess.run(command, stdin=given, capture_output=True, timeout=300, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for name, answer in zip(lines, answers, strict=True):
        assert [(span["start"], span["end"], span["label"]) for span in answer["spans"]] == wanted[name], name
    with serving(small, tmp_path / "log", "--dtype", "float32") as server:
        for name, text in texts.items():
            (answer,) = server.post("/v1/tag", {"input": text}).json()["results"]
            assert [(span["start"], span["end"], span["label"]) for span in answer["spans"]] == wanted[name], name
