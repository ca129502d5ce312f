"""What one client's worst requests cost another one: latencies of short texts and of /health, alone and beside them.

    python benchmarks/hostile.py [MODEL] [--seconds 60] [--connections 24] [--only NAME ...] [--dtype float32]

Starts `vtag serve`. A client asks for one short text after the other, another for /health ten times a second; meanwhile
a process with many connections sends, in turn: texts of each hostile kind (tests/hostile/hostile_kinds.jsonl) as long
as they may be, strides, millions of lists, numbers and empty texts, heads of 80 MB, whole bodies on vtag's and on
vLLM's routes, answers with all scores, half a body, and hangs up in the midst of some. It prints the latencies, what
the attacks were answered, the CPU time of each process, and how long the server takes to end under all this.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))
JSON = "Content-Type: application/json\r\n"


def main() -> None:
    """Start, measure alone, measure beside the attack, end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", default="demo")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--connections", type=int, default=24)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--dtype")
    args = parser.parse_args()
    from tests.serve.servers import listening, start

    with TemporaryDirectory() as folder:
        process = start(args.model, Path(folder) / "log", *(["--dtype", args.dtype] if args.dtype else []), cold=True)
        server = listening(process, Path(folder) / "log")
        port = int(server.url.rpartition(":")[2])
        try:
            measure(port, args.seconds / 6)  # warm
            alone = measure(port, args.seconds / 2)
            show("alone", alone)
            receiver, sender = multiprocessing.Pipe(duplex=False)
            attack = multiprocessing.Process(target=attacks, args=(port, args.connections, args.only, sender))
            attack.start()
            time.sleep(1)
            busy = [cpu(pid) for pid in (process.pid, server.engine, attack.pid)]
            beside = measure(port, args.seconds)
            used = [
                cpu(pid) - before for pid, before in zip((process.pid, server.engine, attack.pid), busy, strict=True)
            ]
            show(f"beside {args.connections} connections", beside)
            print(
                f"CPU seconds of {args.seconds:.0f}: server {used[0]:.1f}, engine {used[1]:.1f}, attack {used[2]:.1f}"
            )
            print(f"memory of the server at most: {peak(process.pid)} MiB, of its engine: {peak(server.engine)} MiB")
            process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            code = process.wait(60)
            print(f"SIGTERM in the midst of it: exit code {code} after {time.monotonic() - begun:.1f} s")
            attack.terminate()
            answers: Counter[str] = receiver.recv()
            attack.join()
            for name, count in sorted(answers.items()):
                print(f"{count:7} {name}")
        finally:
            process.kill()
        print((Path(folder) / "log").read_text()[-2000:])


def cpu(pid: int | None) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(pid: int) -> int:
    """MiB."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) >> 10


def show(name: str, seconds: dict[str, list[float]]) -> None:
    """Of each kind of request the 50th and 95th percentile and the longest."""
    for kind, took in seconds.items():
        took.sort()
        at = [took[int(share * (len(took) - 1))] * 1000 for share in (0.5, 0.95, 1)]
        print(
            f"{name}: {kind}: {len(took)} requests, p50 {at[0]:.1f}, p95 {at[1]:.1f}, longest {at[2]:.0f} ms",
            flush=True,
        )


# --- the client who asks for little ---


def measure(port: int, seconds: float) -> dict[str, list[float]]:
    """Seconds of each request, by kind."""
    return asyncio.run(_measure(port, seconds))


async def _measure(port: int, seconds: float) -> dict[str, list[float]]:
    end = time.monotonic() + seconds
    text = json.dumps({"input": "Hi, I'm Marisol Okonkwo from Dunmere."}).encode()

    async def asks(request: bytes, pause: float) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        took = []
        while time.monotonic() < end:
            start = time.perf_counter()
            writer.write(request)
            status, _ = await answer(reader)
            took.append(time.perf_counter() - start)
            assert status == 200, status
            await asyncio.sleep(pause)
        writer.close()
        return took

    texts, health = await asyncio.gather(asks(post("/v1/tag", text), 0.02), asks(get("/health"), 0.1))
    return {"short texts": texts, "/health": health}


def get(path: str) -> bytes:
    """A request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, body: bytes, headers: str = JSON) -> bytes:
    """A request."""
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


# --- the attack ---


def attacks(port: int, connections: int, only: list[str] | None, sender: Any) -> None:
    """Until SIGTERM; then what was answered, by name and status."""
    requests = {name: request for name, request in made().items() if not only or name in only}
    answers: Counter[str] = Counter()

    async def one(at: int) -> None:
        names = list(requests)
        while True:
            at += 1
            name = names[at % len(names)]
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            try:
                async with asyncio.timeout(3 if at % 3 == 0 else 60):  # some hang up soon
                    writer.write(requests[name])
                    status, body = await answer(reader)
                    kind = json.loads(body)["error_type"] if status >= 400 else ""
                    answers[f"{status} {kind} {name}"] += 1
            except TimeoutError:
                answers[f"hung up {name}"] += 1
            except (OSError, asyncio.IncompleteReadError):
                answers[f"closed {name}"] += 1
            finally:
                writer.transport.abort()

    async def all_at_once() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.gather(*(one(7 * at) for at in range(connections)))
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(all_at_once())
    sender.send(answers)


def made() -> dict[str, bytes]:
    """All requests, by name."""
    from doubling import KINDS, text_of

    def body(**content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()

    found: dict[str, bytes] = {}
    for line in KINDS.read_text("ascii").splitlines():
        kind = json.loads(line)
        for length in (100_000, 1_000_000):
            found[f"{length:,} characters: {kind['name']}"] = post("/v1/tag", body(input=text_of(kind, length)))
    found["a stride, refused"] = post("/", body(inputs="a " * 10_000, parameters={"stride": 509}))
    found["a stride, taken"] = post("/", body(inputs="a " * 10_000, parameters={"stride": 490}))
    found["a long text with a stride"] = post("/", body(inputs="a b " * 125_000, parameters={"stride": 400}))
    found["lists"] = post("/v1/tag", b'{"words":[' + b"[]," * 5_000_000 + b"[]]}")
    found["numbers"] = post("/v1/tag", b'{"input":[' + b"0," * 5_000_000 + b"0]}")
    found["empty texts"] = post("/v1/tag", b'{"input":[' + b'"",' * 5_000_000 + b'""]}')
    found["values, as many as may be"] = post("/v1/tag", body(words=[["a"] * 240] * 1000))
    found["numbers, as many as may be"] = post("/v1/tag", body(input=[0] * 240_000))
    found["a body of texts"] = post("/v1/tag", body(input=["Call Ann on 555-0100. " * 700] * 1000))
    found["a body of one string"] = post("/v1/tag", body(input="a" * ((16 << 20) - 100)))
    found["a body of escapes"] = post("/v1/tag", b'{"input":"' + rb"\u0061" * 2_700_000 + b'"}')
    found["a body with half a pair"] = post("/v1/tag", b'{"input":"' + rb"\u00e9" * 2_700_000 + rb"\ud83d" + b'"}')
    found["all scores"] = post("/v1/tag", body(input="a b c. " * 3000, top_k=1000, return_tokens=True))
    found["tokens of a long text"] = post("/v1/tag", body(input="a b c. " * 140_000, return_tokens=True))
    found["labels"] = post("/v1/tag", body(input=["a"] * 1000, ignore_labels=["O"] * 240_000))
    found["/pooling"] = post("/pooling", body(input=["Call Ann on 555-0100. " * 4] * 500))
    found["/pooling, large"] = post("/pooling", body(input="x " * 2_000_000))
    found["/tokenize"] = post("/tokenize", body(prompt="x " * 9_900, return_token_strs=True))
    found["/detokenize"] = post("/detokenize", body(tokens=[7] * 19_000))
    found["/invocations, numbers"] = post("/invocations", body(input=[[7] * 500] * 40))
    found["half a body"] = post("/pooling", b"x" * 1000)[:-500]
    found["a head of 80 MB"] = b"GET /x HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * (80 << 20) + b"\r\n\r\n"
    found["an upgrade"] = post("/v1/tag", body(input="a"), JSON + "Upgrade: h2c\r\nConnection: Upgrade\r\n")
    return found


if __name__ == "__main__":
    main()
