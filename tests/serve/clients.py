"""Clients that keep their connection, many in one process, and some that behave badly."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.serve.servers import Server


@dataclass(frozen=True)
class Answer:
    """What came back; headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """A keep-alive connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def of(cls, server: Server) -> Client:
        split = urlsplit(server.url)
        return cls(*await asyncio.open_connection(split.hostname, split.port))

    def send(self, route: str, body: Any, headers: dict[str, str] | None = None, *, cut: int = 0) -> None:
        """A request, without the last bytes of its body."""
        data = json.dumps(body).encode()
        head = {
            "Host": "localhost",
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }
        lines = [f"POST {route} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        self.writer.write("\r\n".join(lines).encode() + data[: len(data) - cut])

    async def answer(self) -> Answer:
        """The next one; raises IncompleteReadError where the server closes."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
        return Answer(int(head[0].split()[1]), headers, await self.reader.readexactly(int(headers["content-length"])))

    async def post(self, route: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        self.send(route, body, headers)
        return await self.answer()

    def hang_up(self) -> None:
        """At once, whatever is under way."""
        self.writer.transport.abort()


def gauge(server: Server, name: str) -> float:
    """A number without labels of /metrics."""
    (line,) = [line for line in server.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def connections(server: Server) -> int:
    """Files that the server has open: sockets for the most part."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def memory(server: Server) -> int:
    """Bytes that the server's two processes have for themselves alone, or share."""
    total = 0
    for pid in (server.process.pid, server.engine):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total
