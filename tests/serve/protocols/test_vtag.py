"""What the routes answer equals `llm.tag`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve.servers import Server
from vtag.serve.protocols.schemas import Entity, Info, TagResponse

if TYPE_CHECKING:
    from vtag import LLM

GOLD = Path(__file__).parents[2] / "data" / "pii_synth_gold.jsonl"
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


def test_words_come_back_as_ranges_of_words(server: Server, llm: LLM) -> None:
    words = [text.split() for text in TEXTS[:20]]
    found = server.post("/v1/tag", {"words": words}).json()["results"]
    wanted = llm.tag(words=words)
    assert_equal(found, [[span.to_dict() for span in row] for row in wanted])
    assert any(span["words"] for result in found for span in result["spans"])
    (one,) = server.post("/v1/tag", {"words": words[0]}).json()["results"]
    assert one["spans"] == found[0]["spans"]


def test_a_threshold_and_ignored_labels_are_those_of_llm_tag(server: Server, llm: LLM) -> None:
    options: dict[str, Any] = {"threshold": {"CITY": 0.99, "*": 0.8}, "ignore_labels": ["O", "SURNAME"]}
    wanted = llm.tag(TEXTS, **options)
    assert_equal(
        server.post("/v1/tag", {"input": TEXTS, **options}).json()["results"],
        [[span.to_dict() for span in row] for row in wanted],
    )
    assert 0 < sum(map(len, wanted)) < sum(map(len, llm.tag(TEXTS)))


def test_a_document_of_100_kb_comes_back_whole(server: Server, llm: LLM) -> None:
    document = "\n".join(TEXTS * 20)[:100_000]
    answer = server.post("/v1/tag", {"input": document}).json()
    assert_equal(answer["results"], [[span.to_dict() for span in llm.tag(document)[0]]])
    spans, usage = answer["results"][0]["spans"], answer["results"][0]["usage"]
    assert spans[-1]["end"] > 99_000
    assert usage["windows"] > 30
    assert usage["tokens"] == len(llm.tagger.prepare(document).encodings[0].ids)
    assert [span["text"] for span in spans] == [document[span["start"] : span["end"]] for span in spans]
    (plain,) = llm.tag(document[:5_000], aggregation_strategy="simple")
    found = server.post("/", {"inputs": document[:5_000]}).json()
    assert [(span["start"], span["end"], span["entity_group"]) for span in found] == [x.to_tuple() for x in plain]


def test_offsets_count_in_the_unit_asked_for(server: Server) -> None:
    texts = [f"{'😀👩‍👩‍👧é'[: n % 7]} {text.replace(' ', ' 𝒳 ', n % 3)}" for n, text in enumerate(TEXTS[:100])]
    seen = 0
    for unit, encoding, size in (("codepoint", "utf-32-le", 4), ("utf16", "utf-16-le", 2), ("utf8", "utf-8", 1)):
        answer = server.post("/v1/tag", {"input": texts, "offset_unit": unit, "return_tokens": True}).json()
        assert answer["offset_unit"] == unit
        for text, result in zip(texts, answer["results"], strict=True):
            cut = [
                text.encode(encoding)[item["start"] * size : item["end"] * size].decode(encoding)
                for item in [*result["spans"], *result["tokens"]]
            ]
            assert cut[: len(result["spans"])] == [span["text"] for span in result["spans"]]
            seen += len(result["spans"])
    assert seen > 300


def test_tokens_and_their_likeliest_labels_are_those_of_encode(server: Server, llm: LLM) -> None:
    answer = server.post("/v1/tag", {"input": TEXTS[:10], "top_k": 3, "return_tokens": True}).json()
    for result, output in zip(answer["results"], llm.encode(TEXTS[:10]), strict=True):
        assert output.offsets is not None
        inner = list(zip(output.tokens, output.offsets.tolist(), output.top_k(3), strict=True))[1:-1]
        assert [(token["token"], [token["start"], token["end"]]) for token in result["tokens"]] == [
            (piece, offsets) for piece, offsets, _ in inner
        ]
        for token, (_, _, top) in zip(result["tokens"], inner, strict=True):
            assert [pair["label"] for pair in token["top"]] == [label for label, _ in top]
            assert [pair["score"] for pair in token["top"]] == pytest.approx([score for _, score in top], abs=CLOSE)
            assert (token["label"], token["score"]) == (token["top"][0]["label"], token["top"][0]["score"])


def test_spans_name_what_else_they_could_be(server: Server) -> None:
    answer = server.post("/v1/tag", {"input": TEXTS[:50], "top_k": 10**30}).json()
    spans = [span for result in answer["results"] for span in result["spans"]]
    for span in spans:
        assert sum(pair["score"] for pair in span["top"]) == pytest.approx(1, abs=1e-3)
        assert [pair["score"] for pair in span["top"]] == sorted((p["score"] for p in span["top"]), reverse=True)
    assert sum(span["top"][0]["label"] == span["label"] for span in spans) > 0.9 * len(spans) > 50


def test_hugging_faces_other_route_and_its_lists(server: Server) -> None:
    asked = {"inputs": TEXTS[:3], "parameters": {"aggregation_strategy": "first", "ignore_labels": ["O", "CITY"]}}
    found = server.post("/models/demo", asked).json()
    one = [server.post("/", {**asked, "inputs": text}).json() for text in TEXTS[:3]]
    for row, same in zip(found, one, strict=True):
        assert row == [{**span, "score": pytest.approx(span["score"], abs=CLOSE)} for span in same]
    assert server.post("/models/other/name", asked).json() == {
        "error": "this server runs another model: GET /info names it",
        "error_type": "other_model",
    }


def test_what_a_stride_gives_is_the_pipelines(server: Server, llm: LLM) -> None:
    document = " ".join(TEXTS * 2)[:20_000]
    found = server.post("/", {"inputs": document, "parameters": {"stride": 32}}).json()
    (wanted,) = llm.tag(document, aggregation_strategy="simple", stride=32)
    assert found == [{**span.to_hf(), "score": pytest.approx(span.score, abs=CLOSE)} for span in wanted]


def test_nothing_gives_nothing(server: Server) -> None:
    assert server.post("/", {"inputs": ""}).json() == []
    assert server.post("/", {"inputs": []}).json() == []
    assert server.post("/", {"inputs": ["", ""], "parameters": {}}).json() == [[], []]
    assert server.post("/v1/tag", {"input": []}).json()["results"] == []
    assert server.post("/v1/tag", {"words": []}).json()["results"] == []
    nothing = {"spans": [], "usage": {"tokens": 2, "windows": 1, "complete": True}}
    assert server.post("/v1/tag", {"input": ["", "\0"]}).json()["results"] == [nothing, nothing]
    assert server.post("/v1/tag", {"words": [[]]}).json()["results"] == [nothing]


def test_info_says_what_is_served(server: Server, llm: LLM) -> None:
    info = server.get("/info").json()
    assert info["labels"] == list(llm.id2label.values())
    assert (info["model"], info["scheme"], info["limits"]["window_tokens"]) == ("demo", "IOB2", llm.plan.limit)
    assert Info.model_validate(info)


def test_answers_and_examples_are_as_the_openapi_says(server: Server) -> None:
    described = server.get("/openapi.json").json()
    for path in ("/", "/models/{name}", "/v1/tag"):
        operation = described["paths"][path]["post"]
        (body,) = operation["requestBody"]["content"].values()
        name = body["schema"]["$ref"].rpartition("/")[2]
        examples = described["components"]["schemas"][name]["examples"]
        for example in examples:
            answer = server.post(path.format(name="demo"), example)
            assert answer.status_code == 200
            if path == "/v1/tag":
                assert TagResponse.model_validate(answer.json())
            else:
                assert [Entity.model_validate(item) for item in answer.json()]
        assert set(operation["responses"]) >= {"200", "400", "401", "413", "415", "422", "429", "503"}


def test_vllms_own_routes_work_and_count_vtags(server: Server) -> None:
    assert [model["id"] for model in server.get("/v1/models").json()["data"]] == ["demo"]
    assert server.get("/health").status_code == 200

    def count(name: str) -> float:
        rows = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", server.get("/metrics").text, re.MULTILINE)
        return sum(map(float, rows))

    before = count("vtag_requests_total"), count("vtag_texts_total")
    server.post("/v1/tag", {"input": ["a", "b", "c"]})
    assert (count("vtag_requests_total"), count("vtag_texts_total")) == (before[0] + 1, before[1] + 3)


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
