"""What the routes answer equals `llm.tag`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve.servers import Server

if TYPE_CHECKING:
    from vtag import LLM

GOLD = Path(__file__).parent.parent / "data" / "pii_synth_gold.jsonl"
TEXTS: list[str] = [json.loads(line)["text"] for line in GOLD.read_text("utf-8").splitlines()][:200]
CLOSE = 1e-4


def test_v1_tag_gives_the_spans_of_llm_tag(server: Server, llm: LLM) -> None:
    answer = server.post("/v1/tag", {"input": TEXTS}).json()
    assert_equal(answer["results"], [[span.to_dict() for span in row] for row in llm.tag(TEXTS)])


STRATEGIES = ["none", "simple", "first", "average", "max"]
# The tests are offline to the hub, and InferenceClient to any host then: it runs in a process of its own.
CLIENT = """
import json, sys
from huggingface_hub import InferenceClient
url, text, *strategies = json.load(sys.stdin)
client = InferenceClient(model=url)
print(json.dumps([client.token_classification(text)]
    + [client.token_classification(text, aggregation_strategy=strategy) for strategy in strategies]))
"""


def test_the_inference_client_gets_what_the_pipeline_would_give(server: Server, llm: LLM) -> None:
    text = " ".join(TEXTS[:3])
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    asked = json.dumps([server.url, text, *STRATEGIES])
    done = subprocess.run([sys.executable, "-c", CLIENT], input=asked, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for strategy, found in zip(["simple", *STRATEGIES], json.loads(done.stdout), strict=True):
        (wanted,) = llm.tag(text, aggregation_strategy=strategy)
        close = [{**span.to_hf(), "score": pytest.approx(span.score, abs=CLOSE)} for span in wanted]
        assert [{key: value for key, value in item.items() if value is not None} for item in found] == close
        assert len(close) > 2


def assert_equal(results: list[dict[str, Any]], wanted: list[list[dict[str, Any]]]) -> None:
    """Spans are equal, scores within 1e-4."""
    close = [[{**span, "score": pytest.approx(span["score"], abs=CLOSE)} for span in spans] for spans in wanted]
    assert [result["spans"] for result in results] == close
