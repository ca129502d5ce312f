"""What clients of other servers sent, recorded, is answered with the spans of `llm.tag`.

recorded.json: requests of LiteLLM's guardrails, of NeMo Guardrails, of FMS Guardrails' orchestrator (written after its
source), and of the v1 and v2 clients of KServe and Triton, each with the version that sent it, and the label map of the
server where there was one; bodies that are no JSON in base64.
"""

from __future__ import annotations

import base64
import json
import struct
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema
import pytest

from tests.serve.protocols.test_fms import detections
from tests.serve.protocols.test_presidio import results
from tests.serve.protocols.test_vtag import CLOSE
from tests.serve.servers import PRESIDIO_LABELS, Server

if TYPE_CHECKING:
    from vtag import LLM

HERE = Path(__file__).parent
RECORDED: list[dict[str, Any]] = json.loads((HERE / "recorded.json").read_text("utf-8"))
PROTOCOL = json.loads((HERE / "open_inference.json").read_text("utf-8"))
TEXTS = ["Hi, I'm Marisol Okonkwo from Dunmere, call me on 555-0100.", "x"]
SCHEMA = {
    "/v2": "server",
    "/v2/health/live": "live",
    "/v2/health/ready": "ready",
    "/v2/models/demo": "model",
    "/v2/models/demo/ready": "model_ready",
    "/v2/models/demo/infer": "infer",
}


def replay(server: Server, number: int) -> httpx.Response:
    sent = RECORDED[number]
    body = (
        base64.b64decode(sent["base64"]) if "base64" in sent else json.dumps(sent["json"]) if "json" in sent else None
    )
    return httpx.request(sent["method"], server.url + sent["path"], headers=sent["headers"], content=body, timeout=60)


def these(path: str, label_map: str | None = None) -> list[int]:
    found = [n for n, sent in enumerate(RECORDED) if path in sent["path"] and sent.get("label_map") == label_map]
    assert len(found) > 1
    return found


def valid(name: str, content: Any) -> None:
    """By the protocol's own schema."""
    jsonschema.validate(content, {"$defs": PROTOCOL["$defs"], **PROTOCOL[name]})


@pytest.mark.parametrize("number", these("/analyze"))
def test_a_presidio_client(server: Server, llm: LLM, number: int) -> None:
    answer = replay(server, number)
    asked = RECORDED[number]["json"]
    spans = [span for span in llm.tag(asked["text"])[0] if span.label in asked.get("entities", [span.label])]
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == results(spans)
    assert len(spans) > 0


@pytest.mark.parametrize("number", these("/analyze", PRESIDIO_LABELS.name))
def test_a_presidio_client_that_asks_for_presidios_names(renamed: Server, llm: LLM, number: int) -> None:
    answer = replay(renamed, number)
    names, asked = tomllib.loads(PRESIDIO_LABELS.read_text("utf-8")), RECORDED[number]["json"]
    spans = [replace(span, label=names.get(span.label, span.label)) for span in llm.tag(asked["text"])[0]]
    spans = [span for span in spans if span.label in asked["entities"]]
    assert answer.headers["content-type"] == "application/json"
    if asked["entities"] == ["CREDIT_CARD"]:
        assert answer.status_code == 500
        assert answer.json() == {"error": "No matching recognizers were found to serve the request."}
    else:
        assert len(spans) > 1
        assert answer.json() == results(spans)


def test_presidios_anonymizer_for_litellm(renamed: Server) -> None:
    (number,) = (n for n, sent in enumerate(RECORDED) if sent["path"] == "/anonymize")
    assert replay(renamed, number).json() == {
        "text": "Hi, I'm <PERSON> from Dunmere, call me on 555-0100.",
        "items": [{"start": 8, "end": 16, "entity_type": "PERSON", "text": "<PERSON>", "operator": "replace"}],
    }


@pytest.mark.parametrize("number", these("/beta/litellm_basic_guardrail_api"))
def test_litellms_generic_guardrail(server: Server, llm: LLM, number: int) -> None:
    asked = RECORDED[number]["json"]
    answer = replay(server, number).json()
    made = "".join(part.text for part in llm.redact_stream(asked["texts"]))
    assert answer["action"] == "GUARDRAIL_INTERVENED"
    assert answer["texts"] == [made] != asked["texts"]
    assert ("stream_holdback_chars" in answer) == (asked["input_type"] == "response")


def test_the_guardrail_has_the_limits_of_other_routes(server: Server) -> None:
    for kind in ("request", "response"):
        for texts, says in ((["a"] * 1025, "too_many_texts"), (["a" * 1_000_001], "text_too_long")):
            answer = server.post("/beta/litellm_basic_guardrail_api", {"input_type": kind, "texts": texts})
            assert (answer.status_code, answer.json()["error_type"]) == (413, says)


@pytest.mark.parametrize("number", these("/v1/extract") + these("/v1/chat/completions"))
def test_nemos_gliner_rails(server: Server, llm: LLM, number: int) -> None:
    answer = replay(server, number).json()
    asked = RECORDED[number]["json"]
    if "messages" in asked:
        answer = json.loads(answer["choices"][0]["message"]["content"])
    (spans,) = llm.tag([TEXTS[0]], threshold=asked["threshold"])
    spans = [span for span in spans if span.label in asked.get("labels", [span.label])]
    found = [
        (row.get("label", row.get("suggested_label")), row.get("start", row.get("start_position")))
        for row in answer["entities"]
    ]
    assert found == [(span.label, span.start) for span in spans]
    assert answer["total_entities"] == len(spans) > 0


@pytest.mark.parametrize("number", these("/api/v1/text/contents"))
def test_a_client_of_fms_detectors(server: Server, llm: LLM, number: int) -> None:
    answer = replay(server, number)
    asked = RECORDED[number]["json"]
    spans = llm.tag(asked["contents"], threshold=asked["detector_params"].get("threshold"))
    assert answer.json() == [detections(row) for row in spans]
    assert len(spans[0]) > 1


@pytest.mark.parametrize("number", these("/v1/models"))
def test_a_client_of_kserves_v1(server: Server, llm: LLM, number: int) -> None:
    answer = replay(server, number)
    if RECORDED[number]["method"] == "GET":
        assert answer.json() == {"name": "demo", "ready": True}
    else:
        assert same(answer.json()["predictions"], llm)


@pytest.mark.parametrize("number", these("/v2"))
def test_a_client_of_kserves_v2(server: Server, llm: LLM, number: int) -> None:
    answer = replay(server, number)
    assert answer.status_code == 200
    size = int(answer.headers.get("inference-header-content-length", len(answer.content)))
    content, behind = json.loads(answer.content[:size]), answer.content[size:]
    valid(SCHEMA[RECORDED[number]["path"]], content)
    if "outputs" not in content or "inputs" in content:
        return
    (output,) = content["outputs"]
    assert output["shape"] == [len(TEXTS)]
    if "data" not in output:
        assert len(behind) == output["parameters"]["binary_data_size"]
        output["data"] = list(elements(behind))
    assert same([json.loads(spans) for spans in output["data"]], llm)


def test_a_refusal_is_kserves_too(server: Server) -> None:
    for route in ("/v2/models/other", "/v2/models/other/ready", "/v1/models/other"):
        answer = server.get(route)
        assert answer.status_code == 404
        valid("error", answer.json())


@pytest.mark.parametrize("cut", [1, 40, 140, 145, -1])
def test_bytes_that_are_cut_are_refused(server: Server, cut: int) -> None:
    sent = next(row for row in RECORDED if "base64" in row)
    body = base64.b64decode(sent["base64"])[:cut]
    answer = httpx.post(server.url + sent["path"], headers=sent["headers"], content=body)
    assert (answer.status_code, answer.json()["error_type"]) == (422, "bad_binary")


@pytest.mark.parametrize(
    ("behind", "kind"),
    [
        (b"\x05\0\0\0ab", "bad_binary"),
        (b"\x02\0\0\0\xff\xff", "bad_binary"),
        (b"\xff\xff\xff\xff", "bad_binary"),
        (b"\0\0\0", "bad_binary"),
        (b"\0\0\0\0" * 2, "bad_shape"),
        (b"\0\0\0\0" * 1_000_000, "too_many_texts"),
    ],
)
def test_bytes_that_are_no_texts_are_refused(server: Server, behind: bytes, kind: str) -> None:
    tensor = {"name": "a", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(behind)}}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = httpx.post(f"{server.url}/v2/models/demo/infer", headers=headers, content=head + behind)
    assert answer.json()["error_type"] == kind


@pytest.mark.parametrize("size", ["-1", "x", "", "9" * 30, "9" * 5000])
def test_a_size_that_is_none_is_refused(server: Server, size: str) -> None:
    headers = {"Inference-Header-Content-Length": size}
    answer = httpx.post(f"{server.url}/v2/models/demo/infer", headers=headers, content=b"{}")
    assert (answer.status_code, answer.json()["error_type"]) == (422, "bad_binary")


def elements(tensor: bytes) -> list[str]:
    found = []
    while tensor:
        (size,) = struct.unpack("<I", tensor[:4])
        found.append(tensor[4 : 4 + size].decode())
        tensor = tensor[4 + size :]
    return found


def same(rows: list[list[dict[str, Any]]], llm: LLM) -> bool:
    wanted = [[span.to_dict() for span in spans] for spans in llm.tag(TEXTS)]
    close = [[{**span, "score": pytest.approx(span["score"], abs=CLOSE)} for span in spans] for spans in wanted]
    return rows == close and len(wanted[0]) > 1
