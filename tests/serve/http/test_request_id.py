"""Each request has an id, the client's if it is one, in the response and the access log; a hostile one is nowhere."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serve.servers import Server
from vtag.cli.main import Parser
from vtag.cli.serve import parser
from vtag.serve.http.access_log import FORMATS, _plain
from vtag.serve.http.request_id import RequestIds

MADE = re.compile(r"[0-9a-f]{32}")
TAG = "/v1/tag"


def entries(server: Server) -> list[dict[str, Any]]:
    """The lines of the access log so far."""
    lines = server.log.read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"time"')]


def numbers(server: Server, route: str) -> dict[str, float]:
    """What /metrics has about a route, by its name and labels."""
    lines = (line.rsplit(" ", 1) for line in server.get("/metrics").text.splitlines() if f'route="{route}"' in line)
    return {name: float(value) for name, value in lines}


def sent(server: Server, *ids: bytes) -> tuple[int, list[str]]:
    """Status and X-Request-Id of the response to a request with these ids, by way of a socket."""
    url = urlsplit(server.url)
    head = b"POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    body = b'{"input": "Ann"}'
    lines = b"".join(b"X-Request-Id: " + value + b"\r\n" for value in ids)
    with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
        connection.sendall(head + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode("latin-1")
    return int(answer.split()[1]), re.findall(r"(?im)^x-request-id: (.*?)\r$", answer)


@pytest.mark.parametrize(
    ("method", "route", "body", "status"),
    [
        ("POST", TAG, {"input": "Ann"}, 200),
        ("POST", TAG, {"input": 7}, 422),
        ("POST", "/analyze", {"text": "Ann", "entities": ["NRP"]}, 500),
        ("POST", "/v1/extract", {"text": "Ann"}, 200),
        ("GET", "/info", None, 200),
        ("PUT", "/info", None, 405),
    ],
)
def test_a_request_is_followed_by_its_id_through_response_log_and_metrics(
    renamed: Server, method: str, route: str, body: Any, status: int
) -> None:
    name = f"trace:{method}/{route}-{status}"
    before = numbers(renamed, route)
    answer = httpx.request(method, renamed.url + route, json=body, headers={"X-Request-Id": name}, timeout=60)
    after = numbers(renamed, route)
    assert (answer.status_code, answer.headers["x-request-id"]) == (status, name)
    (entry,) = [entry for entry in entries(renamed) if entry["request_id"] == name]
    assert list(entry) == ["time", "request_id", "client", "method", "route", "status", "seconds"]
    assert (entry["method"], entry["route"], entry["status"]) == (method, route, status)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", entry["time"])
    added = {name: value - before.get(name, 0) for name, value in after.items() if "_created" not in name}
    assert added[f'vtag_requests_total{{route="{route}",status="{status}"}}'] == 1
    assert added[f'vtag_request_seconds_count{{route="{route}"}}'] == 1
    assert 0 < added[f'vtag_request_seconds_sum{{route="{route}"}}'] <= entry["seconds"]


def test_routes_of_vllms_and_unknown_ones_have_ids_too(renamed: Server) -> None:
    for route in ("/health", "/metrics", "/v1/models", "/nowhere"):
        assert renamed.get(route, headers={"X-Request-Id": f"id{route}"}).headers["x-request-id"] == f"id{route}"
    pooled = renamed.post("/pooling", {"input": "Ann"}, headers={"X-Request-Id": "id/pooling"})
    assert pooled.headers["x-request-id"] == "id/pooling"
    routes = {entry["request_id"]: entry["route"] for entry in entries(renamed)}
    assert (routes["id/pooling"], routes["id/health"], routes["id/nowhere"]) == ("/pooling", "/health", "-")


def test_requests_may_share_an_id(server: Server) -> None:
    """vLLM's engine refuses two requests of one id, and /pooling would take the header's."""
    same = {"X-Request-Id": "the-same"}
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(server.post, "/pooling", {"input": ["Ann"] * 8}, headers=same) for _ in range(32)]
        asked += [pool.submit(server.post, TAG, {"input": ["Ann"] * 8}, headers=same) for _ in range(32)]
    assert {(one.result().status_code, one.result().headers["x-request-id"]) for one in asked} == {(200, "the-same")}


def test_without_one_an_id_is_made(renamed: Server) -> None:
    made = [renamed.get("/health").headers["x-request-id"] for _ in range(3)]
    assert all(map(MADE.fullmatch, made))
    assert len(set(made)) == 3


HOSTILE: dict[str, tuple[bytes, ...]] = {
    "a terminal's sequence": (b"\x1b[31mQuell\x1b[0m",),
    "a folded line": (b"Quell\r\n brook",),
    "10 kB": (b"Quell" * 2_000,),
    "129 characters": (b"Quell" + b"x" * 124,),
    "a space": (b"Quell brook",),
    "no ASCII": ("Quell\u00e9".encode(),),
    "a byte above ASCII": (b"Quell\xff",),
    "a tab": (b"Quell\tbrook",),
    "DEL": (b"Quell\x7f",),
    "nothing": (b"",),
    "two ids": (b"Quell-1", b"Quell-2"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_id_is_replaced_and_in_no_log(renamed: Server, kind: str) -> None:
    status, given_back = sent(renamed, *HOSTILE[kind])
    if status == 200:
        assert len(given_back) == 1
        assert MADE.fullmatch(given_back[0])
    else:
        assert (status, given_back) == (400, [])  # the parser of HTTP refuses it
    time.sleep(0.1)
    log = renamed.log.read_bytes()
    assert b"Quell" not in log
    assert b"\x1b" not in log
    assert "Quell" not in renamed.get("/metrics").text


def test_a_newline_cannot_forge_a_line_of_the_log(renamed: Server) -> None:
    """A bare one too: what follows it is another header, as HTTP's parser reads it, or no request."""
    for newline in (b"\n", b"\r", b"\r\n"):
        sent(renamed, b"ok" + newline + b'{"time":"forged"}')
    assert "forged" not in renamed.log.read_text("utf-8")


@pytest.mark.parametrize("value", [b"x" * 128, b"~!\"\\'{}%s$(id)", b"7"])
def test_128_visible_characters_are_an_id_whatever_they_are(renamed: Server, value: bytes) -> None:
    assert sent(renamed, value) == (200, [value.decode()])
    assert entries(renamed)[-1]["request_id"] == value.decode()


@given(st.lists(st.binary(max_size=140), max_size=3))
def test_whatever_is_sent_an_id_is_visible_ascii(values: list[bytes]) -> None:
    headers = [(b"x-request-id", value) for value in values]
    scope: dict[str, Any] = {"type": "http", "headers": [(b"host", b"localhost"), *headers]}
    started: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["headers"] == [(b"host", b"localhost")]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        started.extend(message["headers"])

    asyncio.run(RequestIds(app)(scope, None, send))  # type: ignore[arg-type]
    assert started == [(b"x-request-id", scope["request_id"].encode())]
    assert re.fullmatch(r"[!-~]{1,128}", scope["request_id"])
    assert scope["request_id"].encode() in values or MADE.fullmatch(scope["request_id"])


def test_the_command_offers_every_format_of_the_log() -> None:
    actions: Iterable[Any] = parser(Parser(prog="vtag serve"))._actions
    (option,) = [action for action in actions if action.dest == "access_log"]
    assert list(option.choices) == list(FORMATS)
    entry = {"request_id": "7", "client": "::1", "method": "GET", "route": "/info", "status": 200, "seconds": 0.01234}
    assert _plain(entry) == "::1 GET /info 200 12.3 ms 7"
