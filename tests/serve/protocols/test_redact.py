"""`POST /v1/redact`: texts as `LLM.redact` has them, and streams that are a function of the text."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.redact.given import KEY, OTHER_KEY
from tests.serve.clients import Client, gauge
from tests.serve.protocols.test_vtag import TEXTS
from tests.serve.servers import NO_TLS, Server
from vtag import redact_text, restore
from vtag.text.offsets import positions
from vtag.types import Span

if TYPE_CHECKING:
    from vtag import LLM

LINES, EVENTS = "application/x-ndjson", "text/event-stream"
EMOJI = "👩‍👩‍👧 Ann Smith 🇫🇷 met Zoë Łukasiewicz in Dunmere."
LONG = " ".join([*TEXTS[:20], EMOJI, *TEXTS[20:40]])


def redact(server: Server, texts: Any, **more: Any) -> list[dict[str, Any]]:
    response = server.post("/v1/redact", {"input": texts, **more})
    assert response.status_code == 200, response.text
    assert response.headers["x-vtag-complete"] == "true"
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def streamed(llm: LLM, text: str) -> tuple[str, list[dict[str, Any]]]:
    parts = list(llm.redact_stream([text]))
    return "".join(part.text for part in parts), [each.to_dict() for part in parts for each in part.replacements]


def test_the_results_are_those_of_llm_redact(server: Server, llm: LLM) -> None:
    texts = [*TEXTS, EMOJI, "", "\n".join(TEXTS[:60])]
    for policy in (None, {"default": "mask", "threshold": 0.05, "labels": {"CITY": "keep", "EMAIL": "number"}}):
        found = redact(server, texts, policy=policy, return_mapping=True)
        for row, expected in zip(found, llm.redact(texts, policy=policy, use_tqdm=False), strict=True):
            assert row["text"] == expected.text
            assert row["replacements"] == [each.to_dict() for each in expected.replacements]
            assert row["mapping"] == expected.mapping
    assert redact(server, EMOJI) == redact(server, [EMOJI])
    assert "mapping" not in redact(server, EMOJI)[0]


@pytest.mark.parametrize("unit", ["codepoint", "utf16", "utf8"])
def test_offsets_are_in_the_unit_asked_for(server: Server, unit: str) -> None:
    (plain,), (found,) = redact(server, EMOJI), redact(server, EMOJI, offset_unit=unit)
    old, new = positions(EMOJI, unit), positions(plain["text"], unit)
    for row, moved in zip(plain["replacements"], found["replacements"], strict=True):
        for name, at in (("start", new), ("end", new), ("old_start", old), ("old_end", old)):
            assert moved[name] == (row[name] if at is None else at[row[name]])


def test_the_servers_policy_and_key_are_used_and_its_tokens_lead_back(
    renamed: Server, llm: LLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = redact(renamed, EMOJI)
    assert row["text"].startswith("👩‍👩‍👧 [PERSON#")
    assert "[LOCATION:" in row["text"]
    (again,) = redact(renamed, EMOJI, policy={"default": "token", "labels": {"PERSON": "fake"}}, return_mapping=True)
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)
    assert restore(again["text"], policy={"default": "token"}, mapping=again["mapping"]) == EMOJI
    for key, same in ((KEY, True), (OTHER_KEY, False)):
        monkeypatch.setenv("VTAG_REDACT_KEY", key)
        hashed = redact_text("Ann", [Span(0, 3, "PERSON", 1.0, "Ann")], {"default": "hash"}).text
        assert (hashed in row["text"]) == same


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"policy": {"key": {"env": "HOME"}}}, "policy_key_sent"),
        ({"policy": {"default": "hash"}}, "no_server_key"),
        ({"policy": {"default": "fake"}}, "no_server_key"),
        ({"policy": {"labels": {"NAME": "mask"}}}, "unknown_label"),
        ({"policy": {"default": "smash"}}, "policy_action"),
        ({"policy": {"labels": {"Zebedee": {"action": "mask", "Zebedee": 1}}}}, "policy_parameter"),
        ({"policy": {"threshold": {"Zebedee": 7}}}, "policy_value"),
        ({"policy": {"default": {"action": "hash", "salt": "Zebedee"}}}, "policy_key"),
        ({"policy": {"default": {"action": "mask", "char": "Zebedee"}}}, "policy_value"),
        ({"policy": "policy.toml"}, "bad_field"),
        ({"contexts": ["a", "b"]}, "bad_contexts"),
        ({"policies": {}}, "unknown_field"),
    ],
)
def test_mistakes_are_one_line_without_what_was_sent(server: Server, body: dict[str, Any], kind: str) -> None:
    response = server.post("/v1/redact", {"input": "I am Zebedee Smith.", **body})
    assert (response.status_code, response.json()["error_type"]) == (422, kind)
    assert "Zebedee" not in response.text
    assert "\n" not in response.json()["error"]


# --- streams ---


def events(body: str, kind: str) -> list[dict[str, Any]]:
    """The events of a response."""
    if kind == LINES:
        return [json.loads(line) for line in body.splitlines()]
    parts = body.split("\n\n")
    assert parts.pop() == ""
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def written(pieces: Sequence[str], kind: str, **first: Any) -> bytes:
    """A body of events."""
    rows = [{"text": piece} for piece in pieces]
    rows[0] |= first
    form = "{}\n" if kind == LINES else "event: piece\ndata: {}\r\n\r\n"
    body = "".join(form.format(json.dumps(row)) for row in rows).encode()
    return body + (b"data: [DONE]\n\n" if kind == EVENTS else b"")


def post(server: Server, kind: str, chunks: Sequence[bytes], pause: float = 0) -> list[dict[str, Any]]:
    """The events that are answered to a slow writer."""

    async def slowly() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk
            await asyncio.sleep(pause)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(timeout=60, verify=NO_TLS) as client:
            return await client.post(f"{server.url}/v1/redact", content=slowly(), headers={"Content-Type": kind})

    response = asyncio.run(ask())
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == kind
    return events(response.text, kind)


def together(found: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """The text and replacements of all events, which end as they must."""
    *parts, done = found
    assert set(done) == {"done", "usage"}
    assert all(set(part) == {"text", "replacements"} for part in parts)
    return "".join(part["text"] for part in parts), [row for part in parts for row in part["replacements"]]


@pytest.mark.parametrize("kind", [LINES, EVENTS])
def test_a_stream_from_a_slow_writer_is_that_of_the_whole_text_wherever_it_is_cut(
    server: Server, llm: LLM, kind: str
) -> None:
    chance = random.Random(51)
    expected = streamed(llm, LONG)
    for count in (0, 5, 60):
        edges = sorted(chance.choices(range(len(LONG)), k=count))
        body = written([LONG[start:end] for start, end in pairwise([0, *edges, len(LONG)])], kind)
        cuts = sorted(chance.choices(range(len(body)), k=count))
        chunks = [body[start:end] for start, end in pairwise([0, *cuts, len(body)])]
        found = post(server, kind, chunks, pause=0.01)
        assert together(found) == expected
        assert len(found) > 3 or count == 0
    short = written([EMOJI[:9], EMOJI[9:]], kind)
    for cut in range(0, len(short), 7):
        assert together(post(server, kind, [short[:cut], short[cut:]])) == streamed(llm, EMOJI)


def test_surrogates_of_one_character_may_come_in_two_pieces(server: Server, llm: LLM) -> None:
    halves = b'{"text": "Ann \\ud83d"}\n{"text": "\\ude00 Smith."}\n'
    assert together(post(server, LINES, [halves])) == streamed(llm, "Ann 😀 Smith.")


def test_an_address_in_two_pieces_is_never_written_in_part(server: Server) -> None:
    found = post(server, LINES, written(["Contact bob@", "acme.com now"], LINES).splitlines(keepends=True), pause=0.3)
    assert together(found)[0] == "Contact [EMAIL] now"


def test_a_streams_first_event_may_have_a_policy(server: Server, renamed: Server) -> None:
    masked = written(["I am Ann ", "Smith."], EVENTS, policy={"default": {"action": "mask", "keep_first": 1}})
    assert together(post(server, EVENTS, [masked]))[0] == "I am A** S****."
    assert together(post(renamed, LINES, [written(["I am Ann Smith."], LINES)]))[0].startswith("I am [PERSON#")
    shifted = {"default": {"action": "shift"}, "context": "id"}
    assert together(post(renamed, LINES, [written(["Hello."], LINES, policy=shifted, context="7")]))[0] == "Hello."


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"text": "a", "policy": {"default": "number"}}\n', "policy_stream"),
        (b'{"text": "a", "policy": {"default": "hash"}}\n', "no_server_key"),
        (b'{"text": 7}\n', "bad_field"),
        (b'{"text": "a", "more": "b"}\n', "unknown_field"),
        (b'{"text": "a"', "bad_json"),
        (b"Zebedee\n", "bad_json"),
        (b'{"text": "\xff"}\n', "bad_json"),
        (b'{"text": "' + b"a" * (1 << 20) + b'"}\n', "event_too_large"),
    ],
)
def test_a_mistake_before_the_first_part_is_an_ordinary_response(server: Server, body: bytes, kind: str) -> None:
    response = httpx.post(f"{server.url}/v1/redact", content=body, headers={"Content-Type": LINES}, verify=NO_TLS)
    assert response.json()["error_type"] == kind
    assert response.status_code in (400, 413, 422)
    assert "Zebedee" not in response.text


def test_a_packed_stream_is_refused(server: Server) -> None:
    headers = {"Content-Type": LINES, "Content-Encoding": "gzip"}
    response = httpx.post(f"{server.url}/v1/redact", content=b"\x1f\x8b", headers=headers, verify=NO_TLS)
    assert (response.status_code, response.json()["error_type"]) == (415, "not_json")


def test_a_later_mistake_is_the_last_event_and_nothing_of_the_segment_is_written(server: Server) -> None:
    body = written([LONG, " I am Zebedee Quill."], LINES) + b'{"text": 7}\n'
    head, tail = body[:-12], body[-12:]
    *parts, failed = post(server, LINES, [head, tail], pause=0.5)
    assert parts
    assert failed == {"error": "text must be a piece of the text", "error_type": "bad_field"}
    assert "Zebedee" not in json.dumps(parts)


async def _head(server: Server, size: int) -> Client:
    """A client that has sent the head of a stream."""
    client = await Client.of(server)
    lines = ["POST /v1/redact HTTP/1.1", "Host: localhost", f"Content-Type: {LINES}", f"Content-Length: {size}", "", ""]
    client.writer.write("\r\n".join(lines).encode())
    return client


async def _until(server: Server, streams: int) -> None:
    for _ in range(200):
        if gauge(server, "vtag_requests_under_way") == streams:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{gauge(server, 'vtag_requests_under_way')} requests are under way")


def test_parts_are_written_while_the_body_comes_and_a_client_may_leave_half_way(server: Server, llm: LLM) -> None:
    async def leave() -> None:
        body = written([LONG, "more"], LINES)
        for end in ("hang_up", "close"):
            client = await _head(server, len(body))
            client.writer.write(body[:-9])
            answer = (await client.reader.readuntil(b"\r\n\r\n")).decode()
            assert answer.startswith("HTTP/1.1 200")
            chunk = await client.reader.readuntil(b"}\n")
            assert b'"text"' in chunk
            await _until(server, 1)
            if end == "hang_up":
                client.hang_up()
            else:
                client.writer.close()
            await _until(server, 0)

    asyncio.run(leave())
    assert together(post(server, LINES, [written([EMOJI], LINES)])) == streamed(llm, EMOJI)


def test_a_deadline_ends_a_stream(server: Server) -> None:
    async def wait() -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=60, verify=NO_TLS) as client:

            async def body() -> AsyncIterator[bytes]:
                yield written(["I am Ann Smith."], LINES)
                await asyncio.sleep(5)

            headers = {"Content-Type": LINES, "X-Request-Timeout": "0.5"}
            response = await client.post(f"{server.url}/v1/redact", content=body(), headers=headers)
            assert response.status_code == 503
            return dict(response.json())

    assert asyncio.run(wait())["error_type"] == "too_late"
