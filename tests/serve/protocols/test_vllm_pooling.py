"""`/pooling` is vLLM's, but for texts that are too long, which run in windows."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.serve.protocols.test_vtag import CLOSE, TEXTS
from tests.serve.servers import Server

if TYPE_CHECKING:
    from vtag import LLM

DOCUMENT = " ".join(TEXTS)


def rows(answer: Any) -> list[np.ndarray]:
    return [np.array(item["data"], np.float32) for item in answer.json()["data"]]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize(("characters", "route"), [(1500, "/pooling"), (5_000, "/invocations"), (40_000, "/pooling")])
def test_a_long_text_has_the_rows_of_encode(server: Server, llm: LLM, route: str, characters: int) -> None:
    text = DOCUMENT[-characters:]
    (output,) = llm.encode(text)
    (plain,) = rows(server.post(route, {"model": "demo", "input": text, "use_activation": False}))
    np.testing.assert_allclose(plain, output.data, atol=CLOSE)
    answer = server.post(route, {"model": "demo", "input": text})
    np.testing.assert_allclose(rows(answer)[0], softmax(output.data), atol=CLOSE)
    assert answer.json()["usage"]["prompt_tokens"] == len(output.data)


def test_long_and_short_texts_and_ids_share_a_request(server: Server, llm: LLM) -> None:
    texts = [DOCUMENT[:6_000], TEXTS[0], DOCUMENT[:4_000], ""]
    for asked in (texts, [output.token_ids for output in llm.encode(texts)]):
        for found, output in zip(rows(server.post("/pooling", {"input": asked})), llm.encode(asked), strict=True):
            np.testing.assert_allclose(found, softmax(output.data), atol=CLOSE)


def test_a_long_text_in_the_other_encodings(server: Server, llm: LLM) -> None:
    asked = {"input": DOCUMENT[:6_000], "use_activation": False}
    (output,) = llm.encode(asked["input"])
    told = server.post("/pooling", {**asked, "encoding_format": "base64"}).json()["data"][0]["data"]
    for sent in (
        base64.b64decode(told),
        server.post("/pooling", {**asked, "encoding_format": "bytes_only"}).content,
    ):
        np.testing.assert_allclose(np.frombuffer(sent, np.float32).reshape(output.data.shape), output.data, atol=CLOSE)


@pytest.mark.parametrize("side", ["left", "right"])
def test_who_asks_for_a_cut_gets_what_the_model_takes(server: Server, llm: LLM, side: str) -> None:
    asked = {"input": DOCUMENT, "truncation_side": side}
    assert rows(server.post("/pooling", {**asked, "truncate_prompt_tokens": 20}))[0].shape == (20, len(llm.id2label))
    (most,) = rows(server.post("/pooling", {**asked, "truncate_prompt_tokens": -1}))
    assert len(most) == llm.plan.limit
    too_many = server.post("/pooling", {**asked, "truncate_prompt_tokens": llm.plan.limit + 1})
    assert too_many.status_code == 400


@pytest.mark.parametrize("ids", [[999_999], [2] * 3000 + [999_999]])
def test_ids_of_no_word_are_refused_in_vllms_words(server: Server, ids: list[int]) -> None:
    answer = server.post("/pooling", {"input": ids})
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert server.post("/pooling", {"input": [2, 3]}).status_code == 200
