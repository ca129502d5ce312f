"""Every route with spans says how its texts were read, and that they were read to their end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve.protocols.test_vtag import TEXTS
from tests.serve.servers import Server
from tests.test_label_map import ROUTES
from vtag.options import TagOptions
from vtag.types import Coverage

if TYPE_CHECKING:
    from vtag import LLM

LONG = "\n".join(TEXTS * 2)[:20_500]  # more than a thread takes: it has a process of its own
SENT = {"a text": TEXTS[:1], "pieces": [*TEXTS[:70], ""], "long": [LONG, TEXTS[0], LONG[:3_000]]}


def read_by(llm: LLM, route: str, texts: list[str]) -> list[Coverage]:
    options = TagOptions("first" if route == "/" else "viterbi")
    return next(llm.answers([texts], llm.tagger.bind(options))).coverage


@pytest.mark.parametrize(
    ("route", "sent"),
    [(route, sent) for route in ROUTES for sent in ("a text", "pieces")] + [("/v1/tag", "long"), ("/analyze", "long")],
)
def test_headers_have_the_tokens_and_windows_of_all_texts(server: Server, llm: LLM, route: str, sent: str) -> None:
    answer = server.post(route, ROUTES[route][0](SENT[sent]))
    coverage = read_by(llm, route, SENT[sent])
    total = Coverage.sum(coverage)
    assert answer.headers["x-vtag-tokens"] == str(total.tokens)
    assert answer.headers["x-vtag-windows"] == str(total.windows)
    assert answer.headers["x-vtag-complete"] == "true"
    assert total.windows > len(SENT[sent]) or sent != "long"
    if route == "/v1/tag":
        assert [result["usage"] for result in answer.json()["results"]] == [one.to_dict() for one in coverage]
    if route == "/v2/models/demo/infer":
        assert answer.json()["parameters"] == total.to_dict()


def test_without_texts_nothing_was_left_out(server: Server) -> None:
    for route, (ask, _) in ROUTES.items():
        headers = server.post(route, ask([])).headers
        assert [headers[f"x-vtag-{name}"] for name in ("tokens", "windows", "complete")] == ["0", "0", "true"]


def test_binary_tensors_have_them_too(server: Server) -> None:
    asked: dict[str, Any] = ROUTES["/v2/models/demo/infer"][0](TEXTS[:3])
    answer = server.post("/v2/models/demo/infer", asked | {"parameters": {"binary_data_output": True}})
    head = json.loads(answer.content[: int(answer.headers["inference-header-content-length"])])
    assert answer.headers["x-vtag-tokens"] == str(head["parameters"]["tokens"])
    assert answer.headers["x-vtag-complete"] == "true"


def test_a_refusal_and_a_route_without_spans_have_none(server: Server) -> None:
    refused = server.post("/v1/tag", {"input": [TEXTS[0], 7]})
    for answer in (refused, server.get("/info"), server.post("/pooling", {"input": "a"})):
        assert not [name for name in answer.headers if name.startswith("x-vtag")]
