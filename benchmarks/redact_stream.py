"""Redaction of streams: memory over long texts, and short texts beside a hundred streams.

    python benchmarks/redact_stream.py segmenter [--megabytes 100]   # spans given, no engine
    python benchmarks/redact_stream.py memory [MODEL] [--megabytes 5]   # vtag redact --stream, and POST /v1/redact
    python benchmarks/redact_stream.py leak [MODEL]   # streams of several gold texts, beside the whole ones
    python benchmarks/redact_stream.py beside [MODEL] [--streams 100] [--rate 80] [--seconds 40]

rate: characters that a stream gets a second, in pieces of 4: 80 are about 20 tokens of a language model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from load import GOLD, Client, lone, megabytes, quantiles
from server import Server, ours, processor

NAME = re.compile(r"[A-Z]\w+(?: [A-Z]\w+)*")
PIECE = 4


def main() -> None:
    """One of the measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", choices=("segmenter", "memory", "leak", "beside"))
    parser.add_argument("model", nargs="?", default="demo")
    parser.add_argument("--megabytes", type=int, default=None)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--rate", type=float, default=80)
    parser.add_argument("--seconds", type=int, default=40)
    args = parser.parse_args()
    print(f"CPU: {processor()}")
    texts = [json.loads(line)["text"] for line in GOLD.open(encoding="utf-8")]
    if args.measure == "segmenter":
        segmenter(texts, args.megabytes or 100)
        return
    from vtag.model.demo import demo_model

    model = demo_model() if args.model == "demo" else Path(args.model)
    if args.measure == "leak":
        leak(model)
        return
    if args.measure == "memory":
        command_line(model, texts, args.megabytes or 5)
    with tempfile.TemporaryDirectory() as folder, ours(model, Path(folder)) as server:
        if args.measure == "memory":
            asyncio.run(over_http(server, texts, args.megabytes or 5))
        else:
            asyncio.run(beside(server, texts, args.streams, args.rate, args.seconds))


def prose(texts: list[str], size: int, seed: int = 51) -> Iterator[str]:
    """Gold texts in random order, so many characters together."""
    chance = random.Random(seed)
    while size > 0:
        piece = chance.choice(texts) + chance.choice([" ", " ", "\n"])
        yield piece
        size -= len(piece)


def resident(pid: int | str = "self") -> float:
    """Megabytes that a process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def segmenter(texts: list[str], size: int) -> None:
    """A long text whose spans are given, through `redact_stream`."""
    from vtag import Span, redact_stream

    def spans(text: str) -> list[Span]:
        return [Span(*match.span(), "NAME", 0.9, match[0]) for match in NAME.finditer(text)]

    start, read, shown = time.perf_counter(), 0, 0
    for part in redact_stream(prose(texts, size * 1_000_000), spans):
        read += len(part.text)
        if read >= shown * 1_000_000:
            print(
                f"{shown:4} MB written, {resident():.0f} MB of memory, {time.perf_counter() - start:.0f} s", flush=True
            )
            shown += max(size // 10, 1)
    print(f"{size} MB read in {time.perf_counter() - start:.0f} s, {resident():.0f} MB of memory")


def command_line(model: Path, texts: list[str], size: int) -> None:
    """`vtag redact MODEL - --stream`."""
    command = [sys.executable, "-m", "vtag", "redact", str(model), "-", "--stream"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        written = shown = 0
        for piece in prose(texts, size * 1_000_000):
            process.stdin.write(piece.encode())
            written += len(piece)
            if written >= shown * 1_000_000:
                took = time.perf_counter() - start
                print(
                    f"--stream: {written / 1e6:.1f} MB read, {resident(process.pid):.0f} MB of memory, {took:.0f} s",
                    flush=True,
                )
                shown += 1
        process.stdin.close()
        process.wait()
    print(f"--stream: all of it in {time.perf_counter() - start:.0f} s, exit code {process.returncode}")


def leak(model: Path, texts: int = 600, of_document: int = 8) -> None:
    """Documents of several gold texts: characters of gold spans that are left, whole and as a stream."""
    from vtag import LLM

    rows = [json.loads(line) for line in GOLD.open(encoding="utf-8")]
    random.Random(51).shuffle(rows)
    with LLM(model) as llm:
        for name, between in (("a space", " "), ("a line end", "\n")):
            documents, gold = [], []
            for at in range(0, texts, of_document):
                text, spans = "", set()
                for row in rows[at : at + of_document]:
                    spans |= {len(text) + place for start, end, *_ in row["spans"] for place in range(start, end)}
                    text += row["text"] + between
                documents.append(text)
                gold.append({place for place in spans if not text[place].isspace()})
            whole = [each.replacements for each in llm.redact(documents, use_tqdm=False)]
            streamed = [[r for part in llm.redact_stream([text]) for r in part.replacements] for text in documents]
            for way, found in (("whole", whole), ("as a stream", streamed)):
                covered = [{at for each in row for at in range(each.old_start, each.old_end)} for row in found]
                left = sum(len(wanted - has) for wanted, has in zip(gold, covered, strict=True))
                other = sum(map(len, documents)) - sum(map(len, gold))
                over = sum(len(has - wanted) for wanted, has in zip(gold, covered, strict=True))
                shares = (100 * left / sum(map(len, gold)), 100 * over / other)
                print(f"{of_document} texts, {name} between, {way}: ", end="")
                print("{:.2f} % of gold characters left, {:.2f} % of others replaced".format(*shares))


class Stream:
    """A client that streams a text to POST /v1/redact, and reads meanwhile."""

    def __init__(self, server: Server) -> None:
        self._address = urlsplit(server.route)
        self.read = 0
        self.first: float | None = None

    async def send(self, pieces: Iterator[str], pause: float, shown: Callable[[int], None] = lambda sent: None) -> None:
        """Send the pieces, as NDJSON, and read until the end."""
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        head = ["POST /v1/redact HTTP/1.1", "Host: localhost", "Content-Type: application/x-ndjson"]
        writer.write("\r\n".join([*head, "Transfer-Encoding: chunked", "", ""]).encode())
        done = asyncio.create_task(self._read(reader))
        sent = 0
        for piece in pieces:
            line = json.dumps({"text": piece}).encode() + b"\n"
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await writer.drain()
            sent += len(piece)
            shown(sent)
            if pause:
                await asyncio.sleep(pause)
        writer.write(b"0\r\n\r\n")
        await done
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        tail = b""
        while not tail.endswith(b"0\r\n\r\n"):
            data = await reader.read(1 << 16)
            assert data, "the server closed the connection"
            self.read += len(data)
            tail = (tail + data)[-256:]
        assert b'"done":true' in tail, tail


async def over_http(server: Server, texts: list[str], size: int) -> None:
    """One long stream."""
    start, shown = time.perf_counter(), 0

    def show(sent: int) -> None:
        nonlocal shown
        if sent >= shown * 1_000_000:
            took = time.perf_counter() - start
            print(f"HTTP: {sent / 1e6:.1f} MB sent, {megabytes(server)} MB of memory, {took:.0f} s", flush=True)
            shown += 1

    await Stream(server).send(prose(texts, size * 1_000_000), 0, show)
    print(f"HTTP: all of it in {time.perf_counter() - start:.0f} s, {megabytes(server)} MB of memory")


async def beside(server: Server, texts: list[str], streams: int, rate: float, seconds: int) -> None:
    """Short texts, one after the other, alone and beside many streams."""
    client = Client(server.route)
    await lone(client, texts)
    alone = [await lone(client, texts) for _ in range(3)]
    print(f"short texts alone: {quantiles([each for run in alone for each in run])}")
    size = int(rate * seconds)

    def pieces(number: int) -> Iterator[str]:
        text = "".join(prose(texts, size, number))
        return (text[at : at + PIECE] for at in range(0, size, PIECE))

    running = [
        asyncio.create_task(Stream(server).send(pieces(number), PIECE / rate - 0.0005)) for number in range(streams)
    ]
    await asyncio.sleep(5)
    took: list[float] = []
    end = time.perf_counter() + seconds - 10
    while time.perf_counter() < end:
        took.append((await client.post(texts[len(took) % len(texts)]))[1])
        await asyncio.sleep(0.01)
    print(f"beside {streams} streams of {rate:.0f} characters/s: {quantiles(took)} ({len(took)} texts)")
    start = time.perf_counter()
    await asyncio.gather(*running)
    print(f"the streams ended {time.perf_counter() - start:.1f} s later")
    p95 = [statistics.quantiles(each, n=20)[-1] for each in (took, [one for run in alone for one in run])]
    print(f"p95 beside them less p95 alone: {1000 * (p95[0] - p95[1]):.0f} ms")


if __name__ == "__main__":
    main()
