"""`POST /api/v1/text/contents` is FMS Guardrails' Detectors API, in its answers and in its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.serve.protocols.test_vtag import CLOSE, TEXTS
from tests.serve.servers import Server

if TYPE_CHECKING:
    from vtag import LLM
    from vtag.types import Span

CONTENTS = "/api/v1/text/contents"
JSON = {"Content-Type": "application/json"}
HEADERS = {"detector-id": "pii", "x-model-name": "pii"}


def detections(spans: list[Span]) -> list[dict[str, Any]]:
    """As a detector writes them."""
    return [
        {
            "start": span.start,
            "end": span.end,
            "text": span.text,
            "detection": span.label,
            "detection_type": span.label,
            "score": pytest.approx(span.score, abs=CLOSE),
        }
        for span in spans
    ]


def test_each_text_has_a_list_of_detections_in_order(server: Server, llm: LLM) -> None:
    texts = [*TEXTS, "", "Ann 👩‍👩‍👧 Ann"]
    found = server.post(CONTENTS, {"contents": texts, "detector_params": {}}, headers=HEADERS).json()
    assert found == [detections(spans) for spans in llm.tag(texts)]
    assert sum(map(len, found)) > 100
    assert server.post(CONTENTS, {"contents": []}).json() == []


def test_a_threshold_leaves_out_what_is_below_it(server: Server, llm: LLM) -> None:
    found = server.post(CONTENTS, {"contents": TEXTS, "detector_params": {"threshold": 0.9}}).json()
    assert found == [detections(spans) for spans in llm.tag(TEXTS, threshold=0.9)]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"contents": "Ann"}, 422, "contents must be a list of texts"),
        ({"contents": ["Ann", 7]}, 422, "contents must be a list of texts"),
        ({}, 422, "contents must be a list of texts"),
        ({"contents": ["Ann"], "detector_params": {"threshold": 2}}, 422, "detector_params.threshold must be a number"),
        ({"contents": ["Ann"], "detector_params": {"thresold": 1}}, 422, "unknown field: send only threshold"),
        ({"contents": ["a"] * 1025}, 413, "more than 1024 texts in a request"),
        ([], 422, "the body must be an object with contents, detector_params"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_error_is_a_code_and_a_message(server: Server, body: Any, status: int, says: str) -> None:
    answer = server.post(CONTENTS, body, headers=HEADERS)
    assert answer.status_code == status
    assert list(answer.json()) == ["code", "message"]
    assert answer.json()["code"] == status
    assert answer.json()["message"].startswith(says)


def test_errors_of_every_stage_have_the_same_form(server: Server) -> None:
    form = server.post(CONTENTS, {"contents": []}, headers={"Origin": "https://other.example"})
    plain = server.get(CONTENTS)
    typed = server.post(CONTENTS, None, headers={"Content-Type": "text/plain"})
    odd = httpx.post(server.url + CONTENTS, content=b'{"contents": ["\\ud83d"]}', headers=JSON)
    late = server.post(CONTENTS, {"contents": TEXTS * 3}, headers={"X-Request-Timeout": "0.000001"})
    answers = [(answer.status_code, answer.json()["code"]) for answer in (form, plain, typed, odd, late)]
    assert answers == [(403, 403), (405, 405), (415, 415), (422, 422), (503, 503)]
    assert plain.headers["allow"] == "POST"


@pytest.mark.parametrize("route", ["context/doc", "chat", "generation"])
def test_the_detectors_of_other_things_are_not_there(server: Server, route: str) -> None:
    assert server.post(f"/api/v1/text/{route}", {}).status_code == 404
