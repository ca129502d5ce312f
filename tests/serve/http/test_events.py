"""Streams of events: bytes that are cut anywhere give the same events, and what is over a limit is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from tests.refusals import refused
from vtag.errors import error
from vtag.serve.http import events
from vtag.serve.http.events import LINES, SERVER_SENT, EventStream, Parser, read_events, written

BODIES = {
    LINES: '{"text": "Zoë 👩‍👩‍👧"}\r\n\n  \n{"text": "b"}\n{"text": "c"}'.encode(),
    SERVER_SENT: (
        ': a comment\nevent: piece\nid: 7\ndata: {"text":\r\ndata: "Zoë 👩‍👩‍👧"}\r\n\r\n\n\n'
        'data:{"text": "b"}\n\ndata: [DONE]\n\ndata: {"text": "c"}'
    ).encode(),
}


def parsed(kind: str, *chunks: bytes) -> list[Any]:
    parser = Parser(kind)
    found = [event for chunk in chunks for event in parser.feed(chunk)]
    return [json.loads(event) for event in [*found, *parser.end()]]


@pytest.mark.parametrize("kind", BODIES)
def test_bytes_may_be_cut_anywhere(kind: str) -> None:
    body = BODIES[kind]
    expected = [{"text": "Zoë 👩‍👩‍👧"}, {"text": "b"}, {"text": "c"}]
    assert parsed(kind, body) == expected
    assert parsed(kind, *(body[at : at + 1] for at in range(len(body)))) == expected
    for cut in range(len(body) + 1):
        assert parsed(kind, body[:cut], body[cut:]) == expected


@pytest.mark.parametrize("kind", BODIES)
def test_what_is_written_is_read_again(kind: str) -> None:
    rows = [{"text": "a\nb\r\n\u2028"}, {"done": True}]
    assert parsed(kind, *(written(row, kind) for row in rows)) == rows


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("step", [1 << 10, 1 << 30])
def test_an_event_has_a_limit_and_lines_of_an_event_together(
    monkeypatch: pytest.MonkeyPatch, kind: str, step: int
) -> None:
    monkeypatch.setattr(events, "EVENT_BYTES", 1 << 14)

    def feed(body: bytes) -> list[Any]:
        return parsed(kind, *(body[at : at + step] for at in range(0, len(body), step)))

    event = written({"text": "a" * 15_000}, kind)
    assert len(feed(event * 20)) == 20
    refused("event_too_large", "16384 bytes", lambda: feed(written({"text": "a" * 17_000}, kind)))
    refused("event_too_large", "16384 bytes", lambda: feed(b"data: " + b"a" * 17_000))
    if kind == SERVER_SENT:
        refused("event_too_large", "16384 bytes", lambda: feed(b'data: "aaaaaaaaaa",\n' * 1000))


class Connection:
    """A request whose body and end are given, and what is sent to its client. reads: how many messages it takes."""

    def __init__(self, *messages: Message, reads: int = 99) -> None:
        self._messages = list(messages)
        self._reads = reads
        self.sent: list[Message] = []
        self.request = Request({"type": "http", "headers": [], "method": "POST", "path": "/"}, self._receive)

    async def _receive(self) -> Message:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)

    async def send(self, message: Message) -> None:
        if len(self.sent) >= self._reads:
            await asyncio.Event().wait()
        self.sent.append(message)


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def all_of(connection: Connection) -> list[bytes]:
    return [event async for found in read_events(connection.request, LINES) for event in found]


def test_a_body_is_read_to_its_end() -> None:
    connection = Connection(part(b"{}\n{"), part(b"}", more=False))
    assert asyncio.run(all_of(connection)) == [b"{}", b"{}"]


def test_a_client_that_is_silent_or_gone_or_sends_too_much_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STREAM_IDLE_SECONDS", 0.05)
    monkeypatch.setattr(events, "STREAM_BYTES", 10)
    refused("idle_stream", "without a byte", lambda: asyncio.run(all_of(Connection(part(b"{}\n")))))
    refused("stream_too_large", "10 bytes", lambda: asyncio.run(all_of(Connection(part(b"{}\n"), part(b"{}\n" * 9)))))
    with pytest.raises(ClientDisconnect):
        asyncio.run(all_of(Connection(part(b"{}\n"), {"type": "http.disconnect"})))


def responded(connection: Connection, work: Any) -> EventStream:
    stream = EventStream(connection.request, LINES, work)

    async def respond() -> None:
        async with asyncio.timeout(5):
            await stream({"type": "http"}, connection.request.receive, connection.send)

    asyncio.run(respond())
    return stream


def test_a_client_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is left without an end, which uvicorn closes."""
    monkeypatch.setattr(events, "STREAM_IDLE_SECONDS", 0.05)

    async def work(_: Any, write: Any) -> None:
        for _ in range(9):
            await write({"text": "Ann"})

    connection = Connection(reads=3)
    responded(connection, work)
    assert [message["type"] for message in connection.sent] == ["http.response.start", *["http.response.body"] * 2]


@pytest.mark.parametrize("written_before", [0, 1])
def test_an_error_is_the_response_or_its_last_event(written_before: int) -> None:
    async def work(_: Any, write: Any) -> None:
        for number in range(written_before):
            await write({"text": str(number)})
        raise error("bad_json")

    connection = Connection()
    stream = responded(connection, work)
    start, *bodies = connection.sent
    assert start["status"] == stream.status_code == (200 if written_before else 400)
    last = json.loads(bodies[-1]["body"])
    assert last["error_type"] == "bad_json"
    assert not bodies[-1].get("more_body")
    assert len(bodies) == written_before + 1
