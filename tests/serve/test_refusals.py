"""What is refused, how, and that neither an answer nor the log holds a word of what was sent."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.hostile.test_hostile import TEXTS, read
from tests.serve.clients import gauge
from tests.serve.servers import Server
from vtag.serve.limits import VLLM_BODY_BYTES

if TYPE_CHECKING:
    from vtag import LLM

SECRET = "Qwertzuiop-Asdfghjkl"
JSON = {"Content-Type": "application/json"}
TAG, HF, ROUTER = "/v1/tag", "/", "/classify"
EXTRACT, CHAT = "/v1/extract", "/v1/chat/completions"
PRESIDIO, V1, V2 = "/analyze", "/v1/models/demo:predict", "/v2/models/demo/infer"


def tensor(**fields: Any) -> dict[str, Any]:
    return {"name": "input-0", "shape": [1], "datatype": "BYTES", "data": [SECRET], **fields}


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


# name -> route, body, status, kind
WRONG: dict[str, tuple[str, Any, int, str]] = {
    "no field": (TAG, {}, 422, "input_or_words"),
    "null": (TAG, {"input": None}, 422, "input_or_words"),
    "both": (TAG, {"input": SECRET, "words": [SECRET]}, 422, "input_or_words"),
    "a list": (TAG, [SECRET], 422, "bad_field"),
    "a string": (TAG, SECRET, 422, "bad_field"),
    "a number for a text": (TAG, {"input": 7}, 422, "bad_field"),
    "an object for a text": (TAG, {"input": {SECRET: SECRET}}, 422, "bad_field"),
    "a number among texts": (TAG, {"input": [SECRET, 7]}, 422, "bad_field"),
    "null among texts": (TAG, {"input": [SECRET, None]}, 422, "bad_field"),
    "texts in lists": (TAG, {"input": [[SECRET]]}, 422, "bad_field"),
    "words of words": (TAG, {"words": [[[SECRET]]]}, 422, "bad_field"),
    "words and lists of words": (TAG, {"words": [SECRET, [SECRET]]}, 422, "bad_field"),
    "an unknown field": (TAG, {"input": SECRET, SECRET: 1}, 422, "unknown_field"),
    "an unknown strategy": (TAG, {"input": SECRET, "aggregation_strategy": SECRET}, 422, "bad_field"),
    "an unknown unit": (TAG, {"input": SECRET, "offset_unit": SECRET}, 422, "bad_field"),
    "an unknown label": (TAG, {"input": SECRET, "ignore_labels": [SECRET]}, 422, "unknown_label"),
    "a label that is none": (TAG, {"input": SECRET, "ignore_labels": [1]}, 422, "bad_field"),
    "a threshold of 2": (TAG, {"input": SECRET, "threshold": 2}, 422, "bad_field"),
    "a threshold in quotes": (TAG, {"input": SECRET, "threshold": "0.5"}, 422, "bad_field"),
    "a threshold that is true": (TAG, {"input": SECRET, "threshold": True}, 422, "bad_field"),
    "a threshold of an unknown label": (TAG, {"input": SECRET, "threshold": {SECRET: 0.5}}, 422, "unknown_label"),
    "a threshold of -1 for a label": (TAG, {"input": SECRET, "threshold": {"CITY": -1}}, 422, "bad_field"),
    "top_k of 0": (TAG, {"input": SECRET, "top_k": 0}, 422, "bad_field"),
    "top_k of 1.5": (TAG, {"input": SECRET, "top_k": 1.5}, 422, "bad_field"),
    "return_tokens of 1": (TAG, {"input": SECRET, "return_tokens": 1}, 422, "bad_field"),
    "half a surrogate pair": (TAG, {"input": [SECRET, f"{SECRET}\ud83d"]}, 422, "lone_surrogate"),
    "half a surrogate pair in a word": (TAG, {"words": [[SECRET, "\ude00"]]}, 422, "lone_surrogate"),
    "half a surrogate pair in a label": (TAG, {"input": "", "ignore_labels": ["\ude00"]}, 422, "unknown_label"),
    "no inputs": (HF, {"parameters": {}}, 422, "bad_field"),
    "null inputs": (HF, {"inputs": None}, 422, "bad_field"),
    "inputs of an object": (HF, {"inputs": {"text": SECRET}}, 422, "bad_field"),
    "parameters of a list": (HF, {"inputs": SECRET, "parameters": [SECRET]}, 422, "bad_field"),
    "an unknown parameter": (HF, {"inputs": SECRET, "parameters": {SECRET: 1}}, 422, "unknown_field"),
    "another strategy": (HF, {"inputs": SECRET, "parameters": {"aggregation_strategy": "best"}}, 422, "bad_field"),
    "a label unknown": (HF, {"inputs": SECRET, "parameters": {"ignore_labels": [SECRET]}}, 422, "unknown_label"),
    "a stride of -1": (HF, {"inputs": SECRET, "parameters": {"stride": -1}}, 422, "bad_field"),
    "a stride of 10**30": (HF, {"inputs": SECRET, "parameters": {"stride": 10**30}}, 422, "bad_stride"),
    "a stride without groups": (
        HF,
        {"inputs": SECRET, "parameters": {"stride": 1, "aggregation_strategy": "none"}},
        422,
        "stride_without_groups",
    ),
    "another model": ("/models/" + SECRET, {"inputs": SECRET}, 404, "other_model"),
    "no text": (PRESIDIO, {"language": "en"}, 422, "bad_field"),
    "null for a text to analyze": (PRESIDIO, {"text": None}, 422, "bad_field"),
    "a number among texts to analyze": (PRESIDIO, {"text": [SECRET, 7]}, 422, "bad_field"),
    "a score threshold of 2": (PRESIDIO, {"text": SECRET, "score_threshold": 2}, 422, "bad_field"),
    "recognizers of the client": (PRESIDIO, {"text": SECRET, "ad_hoc_recognizers": [{}]}, 422, "bad_field"),
    "expressions": (PRESIDIO, {"text": SECRET, "allow_list_match": "regex"}, 422, "bad_field"),
    "a field that Presidio has not": (PRESIDIO, {"text": SECRET, SECRET: 1}, 422, "unknown_field"),
    "half a pair to analyze": (PRESIDIO, {"text": f"{SECRET}\ud83d"}, 422, "lone_surrogate"),
    "1,025 texts to analyze": (PRESIDIO, {"text": [SECRET] * 1025}, 413, "too_many_texts"),
    "no inputs to classify": (ROUTER, {}, 422, "bad_field"),
    "a number for inputs to classify": (ROUTER, {"inputs": 7}, 422, "bad_field"),
    "a number among inputs to classify": (ROUTER, {"inputs": [SECRET, 7]}, 422, "bad_field"),
    "a context": (ROUTER, {"inputs": SECRET, "parameters": {"context": SECRET, "question": ""}}, 422, "no_pairs"),
    "a context that is null": (ROUTER, {"inputs": SECRET, "parameters": {"context": None}}, 422, "no_pairs"),
    "a question alone": (ROUTER, {"inputs": SECRET, "parameters": {"question": SECRET}}, 422, "no_pairs"),
    "a request to vLLM's /classify": (ROUTER, {"model": "demo", "input": SECRET}, 422, "classifies_spans"),
    "both requests to /classify": (ROUTER, {"inputs": SECRET, "input": SECRET}, 422, "classifies_spans"),
    "a parameter unknown to /classify": (ROUTER, {"inputs": SECRET, "parameters": {SECRET: 1}}, 422, "unknown_field"),
    "a field unknown to /classify": (ROUTER, {"inputs": SECRET, SECRET: 1}, 422, "unknown_field"),
    "another model to classify": (ROUTER, {"inputs": SECRET, "model": SECRET}, 404, "other_model"),
    "half a pair to classify": (ROUTER, {"inputs": f"{SECRET}\ud83d"}, 422, "lone_surrogate"),
    "1,025 inputs to classify": (ROUTER, {"inputs": [SECRET] * 1025}, 413, "too_many_texts"),
    "too long an input to classify": (ROUTER, {"inputs": "x" * 1_000_001}, 413, "text_too_long"),
    "nothing to extract from": (EXTRACT, {}, 422, "bad_field"),
    "a list to extract from": (EXTRACT, {"text": [SECRET]}, 422, "bad_field"),
    "an unknown label to extract": (EXTRACT, {"text": SECRET, "labels": [SECRET]}, 422, "label_not_served"),
    "half a pair in a label to extract": (EXTRACT, {"text": SECRET, "labels": ["\ude00"]}, 422, "label_not_served"),
    "half a pair to extract from": (EXTRACT, {"text": f"{SECRET}\ud83d"}, 422, "lone_surrogate"),
    "a field unknown to extract": (EXTRACT, {"text": SECRET, SECRET: 1}, 422, "unknown_field"),
    "too long a text to extract from": (EXTRACT, {"text": "x" * 1_000_001}, 413, "text_too_long"),
    "a chat with an option": (CHAT, {"messages": said(SECRET), SECRET: 1}, 422, "no_chat"),
    "a chat of two messages": (CHAT, {"messages": said(SECRET) * 2}, 422, "no_chat"),
    "a chat with another model": (CHAT, {"messages": said(SECRET), "model": SECRET}, 404, "other_model"),
    "an unknown label in a chat": (CHAT, {"messages": said(SECRET), "labels": [SECRET]}, 422, "label_not_served"),
    "half a pair in a chat": (CHAT, {"messages": said(f"{SECRET}\ud83d")}, 422, "lone_surrogate"),
    "too long a message": (CHAT, {"messages": said("x" * 1_000_001)}, 413, "text_too_long"),
    "no instances": (V1, {}, 422, "bad_field"),
    "an object for an instance": (V1, {"instances": [{"text": SECRET}]}, 422, "bad_field"),
    "more than instances": (V1, {"instances": [SECRET], "parameters": {}}, 422, "unknown_field"),
    "instances for another model": (f"/v1/models/{SECRET}:predict", {"instances": []}, 404, "other_model"),
    "no tensor": (V2, {"inputs": []}, 422, "bad_field"),
    "two tensors": (V2, {"inputs": [tensor(), tensor()]}, 422, "bad_field"),
    "a tensor of numbers": (V2, {"inputs": [tensor(datatype="FP32", data=[1.5])]}, 422, "bad_field"),
    "a tensor of another shape": (V2, {"inputs": [tensor(shape=[2])]}, 422, "bad_shape"),
    "a tensor without a shape": (V2, {"inputs": [{"name": "a", "datatype": "BYTES", "data": []}]}, 422, "bad_field"),
    "bytes that are not there": (V2, {"inputs": [tensor(parameters={"binary_data_size": 9})]}, 422, "unknown_field"),
    "an unknown parameter of a tensor": (V2, {"inputs": [tensor()], "parameters": {SECRET: 1}}, 422, "unknown_field"),
    "another output": (V2, {"inputs": [tensor()], "outputs": [{"name": SECRET}]}, 422, "no_such_tensor"),
    "a tensor for another model": (f"/v2/models/{SECRET}/infer", {"inputs": [tensor()]}, 404, "other_model"),
    "1,025 texts": (TAG, {"input": [SECRET] * 1025}, 413, "too_many_texts"),
    "1,025 texts of words": (TAG, {"words": [[SECRET]] * 1025}, 413, "too_many_texts"),
    "1,025 inputs": (HF, {"inputs": [SECRET] * 1025}, 413, "too_many_texts"),
    "1,000,001 characters": (TAG, {"input": ["", "x" * 1_000_001]}, 413, "text_too_long"),
    "1,000,001 characters in words": (TAG, {"words": ["x" * 500_000] * 2}, 413, "text_too_long"),
}
RAW: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "nothing": (b"", JSON, 400, "bad_json"),
    "half an object": (b'{"input": "%s' % SECRET.encode(), JSON, 400, "bad_json"),
    "not UTF-8": (b'{"input": "\xff"}', JSON, 400, "bad_json"),
    "UTF-16": (json.dumps({"input": SECRET}).encode("utf-16"), JSON, 400, "bad_json"),
    "half a pair in UTF-8": (b'{"input": "\xed\xa0\xbd"}', JSON, 400, "bad_json"),
    "brackets without end": (b"[" * 200_000, JSON, 400, "bad_json"),
    "a number of 5,000 digits": (b'{"input": "a", "top_k": ' + b"1" * 5000 + b"}", JSON, 400, "bad_json"),
    "a form": (b'{"input": "a"}', {"Content-Type": "application/x-www-form-urlencoded"}, 415, "not_json"),
    "text": (SECRET.encode(), {"Content-Type": "text/plain"}, 415, "not_json"),
    "another charset": (b'{"input": "a"}', {"Content-Type": "application/json; charset=latin-1"}, 415, "not_json"),
    "gzip": (b"\x1f\x8b", {**JSON, "Content-Encoding": "gzip"}, 415, "not_json"),
    "a threshold that is no number": (b'{"input": "a", "threshold": NaN}', JSON, 422, "bad_field"),
}


def assert_refused(answer: httpx.Response, status: int, kind: str) -> None:
    """As the table of errors has it, in one line, with nothing that was sent."""
    content = answer.json()
    assert (answer.status_code, content["error_type"]) == (status, kind), content
    assert set(content) == {"error", "error_type"}
    assert "\n" not in content["error"]
    assert content["error"].isascii()
    assert SECRET not in answer.text


@pytest.mark.parametrize("name", WRONG)
def test_wrong_fields_and_too_much_are_refused(server: Server, name: str) -> None:
    route, body, status, kind = WRONG[name]
    answer = httpx.post(server.url + route, content=json.dumps(body), headers=JSON, timeout=60)
    assert_refused(answer, status, kind)


@pytest.mark.parametrize("route", [TAG, HF, "/models/demo"])
@pytest.mark.parametrize("name", RAW)
def test_what_is_no_json_is_refused(server: Server, route: str, name: str) -> None:
    body, headers, status, kind = RAW[name]
    if kind != "bad_field" or route == TAG:
        assert_refused(httpx.post(server.url + route, content=body, headers=headers), status, kind)


@pytest.mark.parametrize(
    ("route", "allowed"),
    [
        (TAG, "POST"),
        (HF, "POST"),
        ("/models/demo", "POST"),
        ("/info", "GET"),
        (PRESIDIO, "POST"),
        ("/recognizers", "GET"),
        ("/v2/health/live", "GET"),
    ],
)
def test_another_method_is_refused(server: Server, route: str, allowed: str) -> None:
    for method in {"GET", "POST", "PUT", "DELETE", "OPTIONS"} - {allowed}:
        answer = httpx.request(method, server.url + route)
        assert_refused(answer, 405, "wrong_method")
        assert answer.headers["allow"] == allowed


def test_a_message_says_what_to_send(server: Server) -> None:
    said = {name: server.post(route, body).json()["error"] for name, (route, body, _, _) in list(WRONG.items())[5:8]}
    assert set(said.values()) == {"input must be a text, or a list of texts"}
    unknown = server.post(TAG, {"input": "a", "thresold": 1}).json()["error"]
    assert "top_k, return_tokens, offset_unit" in unknown


def test_no_page_of_another_site_may_ask(server: Server) -> None:
    headers = {"Origin": "http://other.example", "Access-Control-Request-Method": "POST"}
    preflight = httpx.options(f"{server.url}/v1/models", headers=headers)
    for answer in (preflight, server.post(TAG, {"input": "a"}, headers=headers)):
        assert "access-control-allow-origin" not in answer.headers


def memory(server: Server) -> int:
    """Bytes that the server holds, without its engine."""
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * 4096


def test_a_body_of_200_mb_is_refused_and_not_kept(server: Server) -> None:
    def pieces() -> Any:
        yield b'{"input": "'
        for _ in range(200):
            yield b"x" * 1_000_000

    before = memory(server)
    told = httpx.post(server.url + TAG, content=b"x" * 200_000_000, headers=JSON, timeout=60)
    untold = httpx.post(server.url + TAG, content=pieces(), headers=JSON, timeout=60)
    for answer in (told, untold):
        assert_refused(answer, 413, "body_too_large")
    assert memory(server) - before < 40_000_000
    assert server.post(TAG, {"input": "a"}).status_code == 200


MANY = 60_000  # less than the values that a body may have
CROWDED: dict[str, tuple[str, Callable[[], Any], int, str]] = {
    "numbers for texts": (TAG, lambda: {"input": [1] * 4 * MANY}, 422, "bad_field"),
    "numbers for words": (TAG, lambda: {"words": [[1] * MANY] * 2}, 422, "bad_field"),
    "lists for words": (TAG, lambda: {"words": [[[]]] * MANY}, 422, "bad_field"),
    "numbers for labels": (TAG, lambda: {"input": "a", "ignore_labels": [1] * 4 * MANY}, 422, "bad_field"),
    "thresholds": (TAG, lambda: {"input": "a", "threshold": {str(n): 2 for n in range(MANY)}}, 413, "too_many_fields"),
    "fields": (TAG, lambda: {str(n): 2 for n in range(MANY)}, 413, "too_many_fields"),
    "parameters": (HF, lambda: {"inputs": "a", "parameters": {str(n): 2 for n in range(MANY)}}, 413, "too_many_fields"),
    "numbers for entities": (PRESIDIO, lambda: {"text": "a", "entities": [1] * 4 * MANY}, 422, "bad_field"),
    "recognizers": (PRESIDIO, lambda: {"text": "a", "ad_hoc_recognizers": [1] * 4 * MANY}, 422, "bad_field"),
    "numbers for instances": (V1, lambda: {"instances": [1] * 4 * MANY}, 422, "bad_field"),
    "dimensions": (V2, lambda: {"inputs": [tensor(shape=[9] * 4 * MANY)]}, 422, "bad_field"),
    "tensors": (V2, lambda: {"inputs": [{}] * MANY}, 422, "bad_field"),
    "outputs": (V2, lambda: {"inputs": [tensor()], "outputs": [{}] * MANY}, 422, "bad_field"),
}


@pytest.mark.parametrize("name", CROWDED)
def test_thousands_of_mistakes_are_refused_for_the_first(server: Server, name: str) -> None:
    route, body, status, kind = CROWDED[name]
    sent = json.dumps(body(), separators=(",", ":")).encode()
    before = memory(server)
    assert_refused(httpx.post(server.url + route, content=sent, headers=JSON, timeout=20), status, kind)
    assert memory(server) - before < 1 << 30


FULL: dict[str, Callable[[], Any]] = {
    "lists": lambda: {"words": [[]] * 5_000_000},
    "numbers": lambda: {"input": [0] * 5_000_000},
    "empty texts": lambda: {"input": [""] * 4_000_000},
    "empty words": lambda: {"words": [""] * 4_000_000},
    "objects": lambda: {"input": [{}] * 4_000_000},
    "lists in lists": lambda: {"words": [[[0] * 100] * 100] * 500},
}


@pytest.mark.parametrize("name", FULL)
def test_millions_of_values_are_refused_unread_while_others_have_their_answers(server: Server, name: str) -> None:
    sent = json.dumps(FULL[name](), separators=(",", ":")).encode()
    assert len(sent) < 16 << 20
    with ThreadPoolExecutor(1) as pool:
        for route in (TAG, "/pooling"):
            asked = pool.submit(httpx.post, server.url + route, content=sent, headers=JSON, timeout=60)
            while not asked.done():
                assert httpx.get(f"{server.url}/health", timeout=5).status_code == 200
            kind = "too_many_values" if len(sent) < VLLM_BODY_BYTES or route == TAG else "vllm_body_too_large"
            assert_refused(asked.result(), 413, kind)


def test_a_stride_may_not_multiply_the_work(server: Server) -> None:
    before = memory(server)
    for inputs, stride in (("a " * 10_000, 509), ("a " * 100_000, 505), (["a " * 5_000] * 20, 509)):
        answer = server.post(HF, {"inputs": inputs, "parameters": {"stride": stride}})
        assert_refused(answer, 413, "too_many_tokens")
        assert "--max-tokens" in answer.json()["error"]
    assert memory(server) - before < 100_000_000
    few = server.post(HF, {"inputs": "a " * 600, "parameters": {"stride": 509}})
    half = server.post(HF, {"inputs": "Jane Doe " * 400, "parameters": {"stride": 255}})
    assert few.status_code == half.status_code == 200


def test_an_answer_may_not_have_millions_of_scores(server: Server, llm: LLM) -> None:
    labels = len(llm.id2label)
    too_many = 1_000_000 // labels + 1
    asked = {"return_tokens": True, "top_k": 10**30}
    windows = gauge(server, "vtag_windows_total")
    assert_refused(server.post(TAG, {"input": "a " * too_many, **asked}), 413, "too_many_scores")
    assert_refused(server.post("/pooling", {"input": "a " * too_many}), 413, "too_many_scores")
    assert gauge(server, "vtag_windows_total") == windows  # before the engine is asked
    many = ["a " * 1000] * (too_many // 1000 + 1)
    assert_refused(server.post(TAG, {"input": many, **asked}), 413, "too_many_scores")


def test_long_lists_of_labels_cost_no_more_than_short_ones(server: Server) -> None:
    body = {"input": ["Jane Doe lives in Paris."] * 1000, "ignore_labels": ["O", "CITY"] * 50_000}
    assert server.post(TAG, body).status_code == 200


def test_texts_and_bodies_on_routes_of_vllms_have_limits(server: Server) -> None:
    for route, field, most in (
        ("/pooling", "input", 200_000),
        ("/invocations", "input", 200_000),
        ("/tokenize", "prompt", 20_000),
        ("/detokenize", "prompt", 20_000),
    ):
        assert_refused(server.post(route, {field: "a" * (most + 1)}), 413, "vllm_text_too_long")
        assert_refused(server.post(route, {field: ["a" * 1000] * 5000}), 413, "vllm_body_too_large")
    assert_refused(server.post("/pooling", {"input": ["a"] * 1025}), 413, "too_many_texts")
    assert_refused(server.post("/detokenize", {"tokens": [7] * 20_001}), 413, "vllm_text_too_long")


def test_odd_texts_are_answered_or_refused_on_every_route_and_leave_no_trace_in_the_log(server: Server) -> None:
    ask_all(server, TEXTS)


@pytest.mark.long
def test_long_odd_texts_are_too(server: Server) -> None:
    texts = {
        row["name"]: row["prefix"] + row["unit"] * row["count"] + row["suffix"] for row in read("hostile_big.jsonl")
    }
    ask_all(server, {name: text if name in FEW_TOKENS else text[:10_000] for name, text in texts.items()})


# As long as a text may be.
FEW_TOKENS = {"long_word_1mb", "spaces_1mb"}


def ask_all(server: Server, texts: dict[str, str]) -> None:
    """All texts on all routes, eight at a time."""

    async def ask() -> None:
        gate = asyncio.Semaphore(8)
        async with httpx.AsyncClient(base_url=server.url, timeout=300) as client:
            await asyncio.gather(*(one(client, gate, name, text) for name, text in texts.items()))

    async def one(client: httpx.AsyncClient, gate: asyncio.Semaphore, name: str, text: str) -> None:
        async with gate:
            for route, field in ((TAG, "input"), (TAG, "words"), (HF, "inputs"), ("/models/demo", "inputs")):
                body = {field: [[text]] if field == "words" else [text]}
                answer = await client.post(route, content=json.dumps(body), headers=JSON)
                assert answer.status_code == status_of(text), (name, route, answer.text[:200])
                if route == TAG and answer.status_code == 200:
                    for span in answer.json()["results"][0]["spans"]:
                        assert span["text"] == text[span["start"] : span["end"]]
            for route, field in (("/pooling", "input"), ("/tokenize", "prompt"), ("/invocations", "input")):
                answer = await client.post(route, content=json.dumps({"model": "demo", field: text}), headers=JSON)
                assert answer.status_code < 500 or halved(text), (name, route, answer.text[:200])

    asyncio.run(ask())
    assert server.post(TAG, {"input": "a"}).status_code == 200
    log = server.log.read_text("utf-8", errors="replace")
    assert "Traceback" not in log
    words = {word for text in texts.values() for word in re.findall(r"\w{6,}", text)} - {"served", "application"}
    assert len(words) > 2
    assert [word for word in words if word in log] == []


def halved(text: str) -> bool:
    return any(0xD800 <= ord(character) < 0xE000 for character in text)


def status_of(text: str) -> int:
    return 413 if len(text) > 1_000_000 else 422 if halved(text) else 200
