"""What goes over the wire, packet by packet."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvloop

from tests.serve.servers import Server
from vtag.serve.http.connection import CoalescingTransport
from vtag.serve.limits import HEAD_BYTES

BODY = json.dumps({"input": "Jane Doe lives in Paris."}).encode()
HEAD = b"POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(
    BODY
)


def connect(server: Server) -> socket.socket:
    split = urlsplit(server.url)
    assert split.hostname
    assert split.port
    return socket.create_connection((split.hostname, split.port), timeout=60)


def test_an_answer_is_one_packet(server: Server) -> None:
    with connect(server) as client:
        for _ in range(20):
            client.sendall(HEAD + b"\r\n" + BODY)
            head, _, body = client.recv(1 << 16).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert json.loads(body)["results"]


def test_who_sends_the_next_request_at_once_has_both_answers_in_order(server: Server) -> None:
    other = json.dumps({"input": ""}).encode()
    second = HEAD.replace(b"Length: %d" % len(BODY), b"Length: %d" % len(other)) + b"Connection: close\r\n\r\n" + other
    with connect(server) as client:
        client.sendall(HEAD + b"\r\n" + BODY + second)
        received = b"".join(iter(lambda: client.recv(1 << 16), b""))  # until it is closed, after all was sent
    answers = [json.loads(part.split(b"\r\n\r\n", 1)[1]) for part in received.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert [bool(answer["results"][0]["spans"]) for answer in answers] == [True, False]


def test_an_upgrade_is_ignored_and_the_body_is_read(server: Server) -> None:
    """Java's HttpClient asks for HTTP/2 by default, as `curl --http2` does; WebSocket is not served either."""
    h2c = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\nUpgrade: h2c\r\n"
    chunked = HEAD.split(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n"
    parts = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (9, BODY[:9], len(BODY) - 9, BODY[9:])
    for upgrade in (h2c, b"Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n"):
        for request in (HEAD + upgrade + b"\r\n" + BODY, chunked + upgrade + b"\r\n" + parts):
            for pieces in ([request], [request[:150], request[150:]], [bytes([byte]) for byte in request]):
                with connect(server) as client:
                    for _ in range(2):  # the connection goes on
                        for piece in pieces:
                            client.sendall(piece)
                        head, _, body = client.recv(1 << 16).partition(b"\r\n\r\n")
                        assert head.startswith(b"HTTP/1.1 200")
                        assert json.loads(body)["results"][0]["spans"]
    with connect(server) as client:
        client.sendall(HEAD + b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n" + BODY)
        assert b"connection: close" in b"".join(iter(lambda: client.recv(1 << 16), b"")).lower()


def test_a_client_that_has_closed_its_side_has_its_answer(server: Server) -> None:
    other = json.dumps({"input": "Jane Doe lives in Paris. " * 1000}).encode()
    slow = HEAD.replace(b"Length: %d" % len(BODY), b"Length: %d" % len(other)) + b"\r\n" + other
    for request in (HEAD + b"\r\n" + BODY, slow):
        with connect(server) as client:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: client.recv(1 << 16), b""))
        assert json.loads(received.rpartition(b"\r\n\r\n")[2])["results"]
        assert received.count(b"100 Continue") < 5  # as many as Go's client takes


LARGE = b"a" * (HEAD_BYTES + 1)
HEADS = {
    "one header": b"GET /info HTTP/1.1\r\nHost: localhost\r\nX-A: " + LARGE + b"\r\n\r\n",
    "many headers": b"GET /info HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 12_000 + b"\r\n",
    "a path": b"GET /" + LARGE + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a header without end": b"GET /info HTTP/1.1\r\nHost: localhost\r\nX-A: " + LARGE * 8,
    "a trailer": HEAD.split(b"Content-Length")[0]
    + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX-A: "
    + LARGE * 8,
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_more_than_64_kib_is_refused(server: Server, name: str) -> None:
    with connect(server) as client:
        for at in range(0, len(HEADS[name]), 10_000):
            client.sendall(HEADS[name][at : at + 10_000])
        received = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert received.startswith(b"HTTP/1.1 431 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error_type"] == "head_too_large"


def test_a_head_of_60_kib_and_a_body_in_chunks_of_a_byte_are_taken(server: Server) -> None:
    body = json.dumps({"input": "a" * 100_000}).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = HEAD.split(b"Content-Length")[0] + b"X-A: " + LARGE[:60_000] + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(server) as client:
        for at in range(0, len(head + chunks), 10_000):
            client.sendall((head + chunks)[at : at + 10_000])
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"]
)
def test_what_is_no_http_is_refused_in_json(server: Server, sent: bytes) -> None:
    with connect(server) as client:
        client.sendall(sent)
        received = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error_type"] == "bad_http"


def test_what_is_written_to_a_client_who_is_gone_is_no_error() -> None:
    failed: list[dict[str, Any]] = []

    async def write_after_the_end() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failed.append(context))
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
        joined = CoalescingTransport(transport, loop)
        joined.abort()
        joined.write(b"x")
        await asyncio.sleep(0.1)
        server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write_after_the_end())
    assert not failed
