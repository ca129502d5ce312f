"""What goes over the wire, packet by packet."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

from tests.serve.servers import Server

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
