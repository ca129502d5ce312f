"""`POST /v1/extract` and `/v1/chat/completions` give NeMo Guardrails what it masks and blocks by: `llm.tag`'s spans."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.decode.schemes import make
from tests.hostile.test_hostile import GOOD
from tests.serve.protocols.test_vtag import CLOSE, TEXTS
from tests.serve.servers import PRESIDIO_LABELS, Server
from vtag.errors import InputError
from vtag.options import TagOptions
from vtag.serve.pipeline.stages import Done, cut, finish, prepare
from vtag.serve.protocols.nemo import _as_extraction, _Entities, tagged_text
from vtag.tagger import Batch, Tagger
from vtag.types import Coverage

if TYPE_CHECKING:
    from vtag import LLM

EXTRACT, CHAT = "/v1/extract", "/v1/chat/completions"
NAMES = {
    EXTRACT: ("value", "suggested_label", "start_position", "end_position", "score"),
    CHAT: ("text", "label", "start", "end", "score"),
}
# What NeMo's client sends with each text.
SENT = {"threshold": 0.5, "chunk_length": 384, "overlap": 128, "flat_ner": False}
LONG = "\n".join(TEXTS * 2)[:20_500]  # a process of its own
DOCUMENT = "\n".join(TEXTS[:60])


def body_for(route: str, text: str, **options: Any) -> dict[str, Any]:
    if route == EXTRACT:
        return {"text": text, **options}
    return {"model": "nvidia/gliner-pii", "messages": [{"role": "user", "content": text}], **options}


def asked(server: Server, route: str, text: str, **options: Any) -> dict[str, Any]:
    """The result, out of its message where it is in one."""
    answer = server.post(route, body_for(route, text, **options))
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-vtag-complete"] == "true"
    found = answer.json()
    return found if route == EXTRACT else json.loads(found["choices"][0]["message"]["content"])


def mask(text: str, places: Sequence[tuple[int, int, str]]) -> str:
    """As NeMo masks: from the last to the first, without a look at overlaps."""
    for start, end, label in sorted(places, reverse=True):
        text = f"{text[:start]}[{label.upper()}]{text[end:]}"
    return text


@pytest.mark.parametrize("route", NAMES)
@pytest.mark.parametrize("labels", [[], ["GIVEN_NAME", "PHONE", "CITY"]], ids=["all labels", "some labels"])
def test_masked_text_is_that_of_llm_tag(server: Server, llm: LLM, route: str, labels: list[str]) -> None:
    texts = [*TEXTS[:20], "", "Ann 👩‍👩‍👧 met Ann in Dunmere, and Ann left."]
    texts += TEXTS[20:30] if labels else [LONG, *GOOD.values()]
    _, label_of, start, end, _ = NAMES[route]
    for text, spans in zip(texts, llm.tag(texts, threshold=0.5), strict=True):
        found = asked(server, route, text, **SENT, labels=labels)
        spans = [span for span in spans if span.label in (labels or [span.label])]
        rows = found["entities"]
        assert [[row[name] for name in NAMES[route]] for row in rows] == [
            [span.text, span.label, span.start, span.end, pytest.approx(span.score, abs=CLOSE)] for span in spans
        ]
        assert found["total_entities"] == len(spans)
        assert found["tagged_text"] == tagged_text(text, spans)
        masked = mask(text, [(row[start], row[end], row[label_of]) for row in rows])
        assert masked == mask(text, [(span.start, span.end, span.label) for span in spans])


def test_every_occurrence_is_an_entity(server: Server) -> None:
    found = asked(server, EXTRACT, "Ann met Ann in Dunmere, and Ann left.", labels=["GIVEN_NAME"])
    assert [row["start_position"] for row in found["entities"]] == [0, 8, 28]
    assert found["tagged_text"] == "[Ann](GIVEN_NAME) met [Ann](GIVEN_NAME) in Dunmere, and [Ann](GIVEN_NAME) left."


@pytest.mark.parametrize("route", NAMES)
def test_the_threshold_is_nemos_where_none_is_sent_and_zero_is_a_threshold(
    server: Server, llm: LLM, route: str
) -> None:
    (plain,), (half,) = llm.tag([DOCUMENT]), llm.tag([DOCUMENT], threshold=0.5)
    assert len(half) < len(plain)
    for options, spans in (({}, half), ({"threshold": None}, half), ({"threshold": 0}, plain)):
        assert asked(server, route, DOCUMENT, **options)["total_entities"] == len(spans)


def test_chunks_and_nesting_change_nothing(server: Server) -> None:
    found = asked(server, EXTRACT, DOCUMENT, **SENT)
    assert asked(server, EXTRACT, DOCUMENT, threshold=0.5, chunk_length=1, overlap=0, flat_ner=True) == found


@pytest.mark.parametrize("route", NAMES)
def test_an_unknown_label_is_refused_and_the_served_ones_are_named(server: Server, renamed: Server, route: str) -> None:
    for where in (server, renamed):
        types = where.get("/info").json()["types"]
        for labels in (["given_name"], [*types, "Xyzzy"], ["B-GIVEN_NAME"], [""]):
            answer = where.post(route, body_for(route, TEXTS[0], labels=labels))
            assert (answer.status_code, answer.json()["error_type"]) == (422, "label_not_served")
            assert answer.json()["error"].endswith(f"choose among {', '.join(types)}")
            assert "Xyzzy" not in answer.text
            assert "x-vtag-complete" not in answer.headers
        found = asked(where, route, TEXTS[0], labels=types)
        assert found == asked(where, route, TEXTS[0], labels=None)


def test_labels_are_those_of_the_label_map(renamed: Server, llm: LLM) -> None:
    names = tomllib.loads(PRESIDIO_LABELS.read_text("utf-8"))
    found = asked(renamed, EXTRACT, TEXTS[0], labels=["PERSON"])
    spans = [span for span in llm.tag(TEXTS[0], threshold=0.5)[0] if names.get(span.label) == "PERSON"]
    assert [(row["start_position"], row["suggested_label"]) for row in found["entities"]] == [
        (span.start, "PERSON") for span in spans
    ]


def test_a_chat_is_in_openais_form_and_its_id_is_that_of_the_request(server: Server, llm: LLM) -> None:
    body = body_for(CHAT, LONG) | {"model": "demo"}
    answer = server.post(CHAT, body, headers={"X-Request-Id": "abc-7"})
    coverage = Coverage.sum(next(llm.answers([[LONG]])).coverage)
    assert answer.headers["x-vtag-tokens"] == str(coverage.tokens)
    assert answer.headers["x-vtag-windows"] == str(coverage.windows)
    found = answer.json()
    assert (found["id"], found["object"], found["model"]) == ("chatcmpl-abc-7", "chat.completion", "demo")
    assert found["usage"] == {"prompt_tokens": coverage.tokens, "completion_tokens": 0, "total_tokens": coverage.tokens}
    (choice,) = found["choices"]
    assert (choice["index"], choice["finish_reason"], choice["message"]["role"]) == (0, "stop", "assistant")
    other = server.post(CHAT, body | {"model": "gpt-x"})
    assert (other.status_code, other.json()["error_type"]) == (404, "other_model")


USER = {"role": "user", "content": "Who is Ann?"}
CHATS: dict[str, Any] = {
    "a sampling option": {"messages": [USER], "temperature": 0},
    "a stream": {"messages": [USER], "stream": True},
    "tools": {"messages": [USER], "tools": []},
    "a system message": {"messages": [{"role": "system", "content": "Be kind."}, USER]},
    "an answer": {"messages": [USER, {"role": "assistant", "content": "A friend."}]},
    "no message": {"messages": []},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Who is Ann?"}]}]},
    "a name": {"messages": [{**USER, "name": "Bob"}]},
    "a prompt": {"prompt": "Who is Ann?"},
    "a list": [USER],
    "a number": 7,
}


@pytest.mark.parametrize("chat", CHATS)
def test_any_other_chat_is_refused_with_what_the_route_is_for(server: Server, chat: str) -> None:
    answer = server.post(CHAT, CHATS[chat])
    assert (answer.status_code, answer.json()["error_type"]) == (422, "no_chat")
    assert answer.json()["error"].startswith("this route is for NeMo Guardrails' GLiNER rails and generates no text")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"threshold": 2}, "threshold must be a number from 0 to 1"),
        ({"threshold": "0.5"}, "threshold must be a number from 0 to 1"),
        ({"chunk_length": 0}, "chunk_length must be a whole number of at least 1"),
        ({"overlap": -1}, "overlap must be a whole number of at least 0"),
        ({"flat_ner": "no"}, "flat_ner must be true or false"),
        ({"labels": "CITY"}, "labels must be a list of types; empty or left out: all"),
    ],
    ids=str,
)
@pytest.mark.parametrize("route", NAMES)
def test_an_option_that_is_wrong_is_named(server: Server, route: str, options: dict[str, Any], says: str) -> None:
    answer = server.post(route, body_for(route, "Ann", **options))
    assert (answer.status_code, answer.json()["error"]) == (422, says)


def test_what_is_no_option_is_refused(server: Server) -> None:
    answer = server.post(EXTRACT, {"text": "Ann", "lables": ["CITY"]})
    assert (answer.status_code, answer.json()["error_type"]) == (422, "unknown_field")


def test_entities_of_a_model_with_several_labels_a_token_do_not_overlap(family: Any) -> None:
    """Random logits in an engine's place."""
    tagger = Tagger(family, dict(enumerate(make("IOB2", ["A", "B", "C"]).labels)), 64, multi_label=True)
    texts, rng = TEXTS[:40], np.random.default_rng(0)
    render = _Entities({"A", "B"}, _as_extraction)
    (piece,) = cut(texts, [*map(len, texts)], render, options=tagger.bind(TagOptions()), words=False, most=1 << 20)
    (batch,) = prepare(tagger, [piece])
    assert isinstance(batch, Batch)
    logits = [rng.normal(0, 3, (len(window.ids), 7)).astype(np.float32) for window in batch.windows]
    (done,) = finish(tagger, [(piece, batch, logits)])
    assert isinstance(done, Done)
    overlaps = 0
    for text, row, spans in zip(texts, map(json.loads, done.rows), tagger.finish(batch, logits), strict=True):
        assert not isinstance(spans, InputError)
        spans = [span for span in spans if span.label in ("A", "B")]
        places = [(one["start_position"], one["end_position"]) for one in row["entities"]]
        assert all(before[1] <= after[0] for before, after in pairwise(places))
        covered = {at for start, end in places for at in range(start, end)}
        assert covered == {at for span in spans for at in range(span.start, span.end)}
        assert [one["value"] for one in row["entities"]] == [text[start:end] for start, end in places]
        overlaps += len(spans) - len(places)
    assert overlaps > 10
