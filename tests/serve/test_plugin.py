"""`VLLM_PLUGINS=vtag` in a server that vLLM starts: vtag's routes are there, and vLLM's own are what they were."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from tests.serve.protocols import test_presidio
from tests.serve.protocols.test_kserve import tensor
from tests.serve.protocols.test_vllm_pooling import DOCUMENT, rows
from tests.serve.protocols.test_vtag import CLOSE, TEXTS, assert_equal
from tests.serve.servers import Server, plain
from vtag.model.demo import demo_model
from vtag.serve.plugin import ROUTERS

if TYPE_CHECKING:
    from vtag import LLM

pytestmark = pytest.mark.long
KEY = "k-Yxcvbnm"
TAGS = {tag for router in ROUTERS for tag in router.tags}
KNOWN = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """vLLM's server of the demo model, in float32, with a key and two names."""
    log = tmp_path_factory.mktemp("stock") / "log"
    options = "--runner pooling --dtype float32 --served-model-name demo second".split()
    with plain(demo_model(), log, *options, "--api-key", KEY, environment={"VLLM_PLUGINS": "vtag"}) as server:
        yield server


def test_spans_come_from_vllms_own_server(stock: Server, llm: LLM) -> None:
    texts = [*TEXTS[:50], DOCUMENT[:5_000]]
    wanted = llm.tag(texts)
    found = stock.post("/v1/tag", {"input": texts}, headers=KNOWN).json()
    assert_equal(found["results"], [[span.to_dict() for span in spans] for spans in wanted])
    assert found["model"] == "demo"
    assert found["results"][-1]["usage"]["windows"] > 2
    analyzed = stock.post("/analyze", {"text": texts}, headers=KNOWN).json()
    assert analyzed == [test_presidio.results(spans) for spans in wanted]
    classified = stock.post("/classify", {"inputs": texts, "model": "second"}, headers=KNOWN)
    assert [len(one["spans"]) for one in classified.json()] == [len(spans) for spans in wanted]
    assert {one["model"] for one in classified.json()} == {"second"}
    assert classified.headers["x-vtag-complete"] == "true"
    predicted = stock.post("/v1/models/second:predict", {"instances": texts}, headers=KNOWN).json()
    assert [len(spans) for spans in predicted["predictions"]] == [len(spans) for spans in wanted]
    inferred = stock.post("/v2/models/demo/infer", {"inputs": [tensor(texts, [len(texts)])]}, headers=KNOWN).json()
    assert [len(json.loads(spans)) for spans in inferred["outputs"][0]["data"]] == [len(spans) for spans in wanted]
    simple = llm.tag(texts, aggregation_strategy="simple")
    for spans, one in zip(stock.post("/", {"inputs": texts}, headers=KNOWN).json(), simple, strict=True):
        assert spans == [{**span.to_hf(), "score": pytest.approx(span.score, abs=CLOSE)} for span in one]


def test_its_key_guards_vtags_routes_too(stock: Server) -> None:
    described = stock.get("/openapi.json").json()["paths"]
    ours = [(path, method) for path, methods in described.items() for method in methods if _tags(methods[method])]
    assert len(ours) > 12
    for path, method in ours:
        for headers in ({}, {"Authorization": f"Bearer {KEY}x"}):
            answer = httpx.request(method, stock.url + path.format(name="demo"), headers=headers)
            assert answer.status_code == 401, (path, method)
        asked = {**KNOWN, "Content-Type": "application/json"}
        answer = httpx.request(method, stock.url + path.format(name="demo"), headers=asked)
        assert answer.status_code == (200 if method == "get" else 400), (path, method)


def test_the_page_is_there_and_asks_for_the_key(stock: Server) -> None:
    assert stock.get("/playground").headers["content-type"] == "text/html; charset=utf-8"
    assert set(stock.get("/info", headers=KNOWN).json()["colors"]) > {"GIVEN_NAME", "SURNAME"}


def _tags(operation: dict[str, Any]) -> bool:
    return bool(TAGS.intersection(operation.get("tags", ())))


SHORT: dict[str, dict[str, Any]] = {
    "a text": {"input": TEXTS[0]},
    "texts": {"input": TEXTS[:20]},
    "nothing": {"input": ""},
    "ids": {"input": [2, 9573, 3]},
    "lists of ids": {"input": [[2, 9573, 3], [2, 3]]},
    "logits": {"input": TEXTS[1], "use_activation": False},
    "no special tokens": {"input": TEXTS[1], "add_special_tokens": False, "user": "x", "task": "token_classify"},
    "cut": {"input": TEXTS[2], "truncate_prompt_tokens": 5},
    "cut from the left": {"input": TEXTS[2], "truncate_prompt_tokens": 5, "truncation_side": "left"},
    "cut where the model ends": {"input": DOCUMENT, "truncate_prompt_tokens": -1},
    "padded": {"input": TEXTS[3], "padding": "max_length"},
    "a name": {"input": TEXTS[3], "model": "demo", "priority": 0, "request_id": "seven"},
}
REFUSED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no texts": {"input": []},
    "no ids": {"input": [[]]},
    "another task": {"input": "a", "task": "embed"},
    "another model": {"input": "a", "model": "x"},
    "an id too high": {"input": [999_999]},
    "a negative id": {"input": [-1]},
    "a cut beyond the model": {"input": "a", "truncate_prompt_tokens": 513},
    "an encoding": {"input": "a", "encoding_format": "x"},
    "dimensions": {"input": "a", "dimensions": 3},
    "a parameter of old": {"input": "a", "normalize": True},
    "messages": {"messages": [{"role": "user", "content": "hi"}]},
    "data": {"data": 1},
    "an empty salt": {"input": "a", "cache_salt": ""},
}


@pytest.mark.parametrize("name", SHORT)
def test_pooling_equals_stock_vllms(stock: Server, server: Server, name: str) -> None:
    answers = [one.post("/pooling", SHORT[name]) for one in (stock, server)]
    assert [answer.status_code for answer in answers] == [200, 200]
    for theirs, ours in zip(*map(rows, answers), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=CLOSE)
    theirs, ours = ({**answer.json(), "id": 0, "created": 0} for answer in answers)
    for item in (*theirs["data"], *ours["data"]):
        del item["data"]
    assert ours == theirs


def _raw(answer: httpx.Response) -> bytes:
    if answer.headers["content-type"] == "application/json":
        return base64.b64decode(answer.json()["data"][0]["data"])
    return answer.content


@pytest.mark.parametrize("encoding", ["base64", "bytes", "bytes_only"])
def test_poolings_encodings_equal_stock_vllms(stock: Server, server: Server, encoding: str) -> None:
    asked = {"input": TEXTS[0], "encoding_format": encoding, "embed_dtype": "float16"}
    theirs, ours = (one.post("/pooling", asked) for one in (stock, server))
    assert (ours.status_code, ours.headers["content-type"]) == (200, theirs.headers["content-type"])
    halves = [np.frombuffer(_raw(answer), np.float16) for answer in (theirs, ours)]
    np.testing.assert_allclose(halves[1], halves[0], atol=2e-3)  # a last bit of float16
    assert len(halves[0]) > 100


@pytest.mark.parametrize("name", REFUSED)
def test_pooling_refuses_as_stock_vllm_does(stock: Server, server: Server, name: str) -> None:
    theirs, ours = (one.post("/pooling", REFUSED[name]) for one in (stock, server))
    assert ours.status_code == theirs.status_code >= 400
    assert ours.json() == theirs.json()


def test_tokenize_is_as_it_was(stock: Server, server: Server) -> None:
    for asked in ({"prompt": TEXTS[0]}, {"prompt": DOCUMENT, "add_special_tokens": False, "return_token_strs": True}):
        theirs, ours = (one.post("/tokenize", asked).json() for one in (stock, server))
        assert {**ours, "max_model_len": 0} == {**theirs, "max_model_len": 0}
