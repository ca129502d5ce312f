"""What goes over the wire, packet by packet."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import uvloop

from tests.serve.servers import Server
from vtag.serve.connection import Joined

BODY = json.dumps({"input": "Jane Doe lives in Paris."}).encode()
HEAD = b"POST /v1/tag HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(BODY)


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


def test_what_is_written_to_a_client_who_is_gone_is_no_error() -> None:
    failed: list[dict[str, Any]] = []

    async def write_after_the_end() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failed.append(context))
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
        joined = Joined(transport, loop)
        joined.abort()
        joined.write(b"x")
        await asyncio.sleep(0.1)
        server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write_after_the_end())
    assert not failed
