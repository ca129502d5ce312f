"""vtag's server beyond its capacity, beside one who asks for much, for five minutes at 70 %, with a long document, on
all routes at once with what /metrics counts of it, and with clients cut off.

    python benchmarks/load.py [MODEL] [--only overload|fairness|steady|document|counts|gone] [--seconds 300]
    python benchmarks/load.py --only document --presidio http://127.0.0.1:5002

--presidio: the address of a server of Presidio's analyzer, for the same document and clients after vtag.

Clients are coroutines of this process, on keep-alive connections; it shares the processor with the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from server import ROOT, Server, _tree, ours, processor

GOLD = ROOT / "tests/data/pii_synth_gold.jsonl"


class Client:
    """A keep-alive connection that posts texts; body: what a route takes for them."""

    def __init__(
        self, url: str, body: Callable[[str | Sequence[str]], dict[str, Any]] = lambda t: {"input": t}
    ) -> None:
        self._url = urlsplit(url)
        self._body = body
        self.headers: dict[str, str] = {}
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, texts: str | Sequence[str]) -> tuple[int, float, Any]:
        """Status, seconds, and what came back; `headers` has its headers."""
        status, seconds, answer = await self.ask("POST", self._url.path, json.dumps(self._body(texts)).encode())
        return status, seconds, json.loads(answer)

    async def ask(self, method: str, path: str, body: bytes, *more: str) -> tuple[int, float, bytes]:
        """Status, seconds, and the body of the response; more: lines of the head."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._url.hostname, self._url.port)
        reader, writer = self._streams
        start = time.perf_counter()
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *more]
        writer.write("\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        self.headers = dict(line.split(": ", 1) for line in lines[1:-2])
        answer = await reader.readexactly(int(self.headers["content-length"]))
        return int(lines[0].split()[1]), time.perf_counter() - start, answer

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].transport.abort()


def main() -> None:
    """All, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="demo")
    parser.add_argument("--only", choices=MEASURES, default=None)
    parser.add_argument("--seconds", type=int, default=300, help="of steady load")
    parser.add_argument("--presidio", metavar="URL", help="a server of Presidio's analyzer")
    args = parser.parse_args()
    print(f"CPU: {processor()}")
    texts = [json.loads(line)["text"] for line in GOLD.open(encoding="utf-8")]
    options = {
        "overload": ["--dtype", "float32"],
        "counts": ["--max-requests", "24", "--engine", "served_model_name=m"],
        "gone": ["--host", "0.0.0.0"],
    }
    from vtag.model.demo import demo_model

    model = demo_model() if args.model == "demo" else Path(args.model)
    for name, measure in MEASURES.items():
        if args.only in (None, name):
            with tempfile.TemporaryDirectory() as folder, ours(model, Path(folder), *options.get(name, [])) as server:
                print(f"\n{name}", flush=True)
                asyncio.run(measure(server, texts, args.seconds))
    if args.presidio:
        asyncio.run(beside_document("Presidio", f"{args.presidio}/analyze", texts))


async def overload(server: Server, texts: list[str], _: int, clients: int = 1000, seconds: int = 60) -> None:
    """A thousand clients, each of which asks again at once."""
    one = Client(server.route)
    wanted = [(await one.post(text))[2]["results"] for text in texts]
    before = await lone(one, texts)
    held = megabytes(server)
    statuses: Counter[int] = Counter()
    took: list[float] = []
    wrong = 0

    async def asks(at: int, end: float) -> None:
        nonlocal wrong
        client = Client(server.route)
        while time.monotonic() < end:
            at = (at + 7) % len(texts)
            status, spent, answer = await client.post(texts[at])
            statuses[status] += 1
            took.append(spent)
            wrong += status == 200 and not alike(answer["results"], wanted[at])
            if status == 429:
                await asyncio.sleep(1)
        client.close()

    for _ in range(3):
        end = time.monotonic() + seconds / 3
        await asyncio.gather(*(asks(at, end) for at in range(clients)))
        print(f"after {sum(statuses.values())} requests: {megabytes(server)} MB")
    await asyncio.sleep(5)
    after = await lone(Client(server.route), texts)  # the first one was idle for too long
    print(
        f"{clients} clients, {seconds} s: statuses {dict(statuses)}; {wrong} of the 200s differ from the single answers"
    )
    print(f"{statuses[200] / seconds:.0f} texts/s; latency {quantiles(took)}")
    print(f"a lone client before: {quantiles(before)}; 5 s after: {quantiles(after)}")
    print(f"memory of both processes: {held} MB before, {megabytes(server)} MB after")
    print(f"queue: {[line for line in metrics(server) if line.startswith('vtag_requests_under_way ')]}")
    one.close()


async def fairness(server: Server, texts: list[str], _: int) -> None:
    """10,000 texts of one client, in requests of the limit's size, and single ones of another."""
    single, many = Client(server.route), Client(server.route)
    await lone(single, texts)
    idle = await lone(single, texts)

    async def much() -> float:
        start = time.perf_counter()
        for first in range(0, 10_000, 1024):
            size = min(1024, 10_000 - first)
            status, _, _ = await many.post([texts[(first + at) % len(texts)] for at in range(size)])
            assert status == 200
        return time.perf_counter() - start

    task = asyncio.create_task(much())
    busy: list[float] = []
    while not task.done():
        busy.append((await single.post(texts[len(busy) % len(texts)]))[1])
    together = task.result()
    print(f"single texts, idle: {quantiles(idle)}; beside 10,000 texts: {quantiles(busy)}")
    print(f"10,000 texts: {together:.1f} s beside single ones, {await much():.1f} s alone")
    single.close()
    many.close()


async def steady(server: Server, texts: list[str], seconds: int) -> None:
    """Texts of mixed lengths at random times, at 70 % of what 32 clients get through."""
    rng = random.Random(0)
    mixed = [" ".join(rng.sample(texts, rng.choice([1, 1, 1, 1, 2, 4, 8, 30]))) for _ in range(2000)]

    mean = sum(map(len, mixed)) / len(mixed)

    async def asks(at: int, end: float) -> int:
        client, count = Client(server.route), 0
        while time.monotonic() < end:
            at, count = (at + 7) % len(mixed), count + 1
            await client.post(mixed[at])
        client.close()
        return count

    async def capacity(seconds: int) -> float:
        end = time.monotonic() + seconds
        return sum(await asyncio.gather(*(asks(at, end) for at in range(32)))) / seconds

    await capacity(20)  # warm, as it is in the five minutes
    rate = 0.7 * await capacity(30)
    print(f"70 % of the capacity: {rate:.0f} requests/s, of {mean:.0f} characters on average")
    free: list[Client] = []
    took: list[float] = []

    async def one(text: str) -> None:
        client = free.pop(0) if free else Client(server.route)
        status, spent, _ = await client.post(text)
        assert status == 200
        took.append(spent)
        free.append(client)

    for _ in range(5):
        took.clear()
        tasks: set[asyncio.Task[None]] = set()
        end = due = time.monotonic()
        end += seconds / 5
        while due < end:
            due += rng.expovariate(rate)
            await asyncio.sleep(max(due - time.monotonic(), 0))
            task = asyncio.create_task(one(rng.choice(mixed)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        print(f"{len(took)} requests: {quantiles(took)}; memory of both processes: {megabytes(server)} MB", flush=True)
    for client in free:
        client.close()


NAME = "Marisol Okonkwo"
DOCUMENT_CHARACTERS = 700_000


async def document(server: Server, texts: list[str], _: int) -> None:
    """A document for /analyze with a name in its last line, beside 16 clients with short texts."""
    await beside_document("vtag", server.route.replace("/v1/tag", "/analyze"), texts)


async def beside_document(name: str, url: str, texts: list[str], clients: int = 16, seconds: float = 15) -> None:
    """Latencies of the clients alone and beside the document, and whether the name is found."""

    def body(text: str | Sequence[str]) -> dict[str, Any]:
        return {"text": text, "language": "en"}

    lines: list[str] = []
    while sum(map(len, lines)) + len(lines) < DOCUMENT_CHARACTERS:
        lines.append(texts[len(lines) % len(texts)])
    whole = "\n".join([*lines, f"It was signed by {NAME} of Dunmere."])
    reader = Client(url, body)

    async def short(at: int, stop: asyncio.Event, took: list[float]) -> None:
        client = Client(url, body)
        while not stop.is_set():
            at = (at + 7) % len(texts)
            status, spent, _ = await client.post(texts[at])
            assert status == 200
            took.append(spent)
        client.close()

    async def measured(until: Awaitable[Any]) -> tuple[list[float], Any]:
        stop, took = asyncio.Event(), list[float]()
        tasks = [asyncio.create_task(short(at, stop, took)) for at in range(clients)]
        result = await until
        stop.set()
        await asyncio.gather(*tasks)
        return took, result

    await measured(asyncio.sleep(5))  # warm
    alone, _ = await measured(asyncio.sleep(seconds))
    beside, (status, spent, answer) = await measured(reader.post(whole))
    found = [whole[span["start"] : span["end"]] for span in answer if span["start"] > len(whole) - 40]
    print(f"{name}, {clients} clients alone: {quantiles(alone)}, slowest {1e3 * max(alone):.0f} ms")
    print(f"beside {len(whole):,} characters: {quantiles(beside)}, slowest {1e3 * max(beside):.0f} ms")
    print(f"the document: {status} in {spent:.1f} s; in its last line {found}")
    print({header: value for header, value in reader.headers.items() if header.startswith("x-vtag")}, flush=True)
    reader.close()


# Every route of vtag's, as /metrics names it: a path that leads there, and what it takes for a text; None: it is a GET.
ROUTES: dict[str, tuple[str, Callable[[str], Any] | None]] = {
    "/": ("/", lambda text: {"inputs": text}),
    "/models/{name:path}": ("/models/m", lambda text: {"inputs": [text]}),
    "/v1/tag": ("/v1/tag", lambda text: {"input": text}),
    "/v1/redact": ("/v1/redact", lambda text: {"input": text}),
    "/info": ("/info", None),
    "/analyze": ("/analyze", lambda text: {"text": text}),
    "/supportedentities": ("/supportedentities", None),
    "/recognizers": ("/recognizers", None),
    "/anonymize": ("/anonymize", lambda text: {"text": text, "analyzer_results": []}),
    "/deanonymize": (
        "/deanonymize",
        lambda text: {
            "text": text,
            "anonymizer_results": [],
            "deanonymizers": {"DEFAULT": {"type": "deanonymize_keep"}},
        },
    ),
    "/anonymizers": ("/anonymizers", None),
    "/deanonymizers": ("/deanonymizers", None),
    "/beta/litellm_basic_guardrail_api": (
        "/beta/litellm_basic_guardrail_api",
        lambda text: {"input_type": "request", "texts": [text]},
    ),
    "/classify": ("/classify", lambda text: {"inputs": text}),
    "/v1/extract": ("/v1/extract", lambda text: {"text": text}),
    "/v1/chat/completions": (
        "/v1/chat/completions",
        lambda text: {"messages": [{"role": "user", "content": text}]},
    ),
    "/api/v1/text/contents": ("/api/v1/text/contents", lambda text: {"contents": [text]}),
    "/v1/models/{name:model}:predict": ("/v1/models/m:predict", lambda text: {"instances": [text]}),
    "/v1/models/{name:model}": ("/v1/models/m", None),
    "/v2/models/{name:model}/infer": (
        "/v2/models/m/infer",
        lambda text: {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}]},
    ),
    "/v2/models/{name:model}/ready": ("/v2/models/m/ready", None),
    "/v2/models/{name:model}": ("/v2/models/m", None),
    "/v2": ("/v2", None),
    "/v2/health/live": ("/v2/health/live", None),
    "/v2/health/ready": ("/v2/health/ready", None),
    "/playground": ("/playground", None),
    "/docs": ("/docs", None),
}


async def counts(server: Server, texts: list[str], seconds: int, clients: int = 48) -> None:
    """Good and bad requests to all routes at once, by more clients than are admitted: what they count, and /metrics."""
    sent: Counter[tuple[str, int]] = Counter()
    waited: dict[str, float] = defaultdict(float)

    async def asks(number: int, end: float) -> None:
        rng, client = random.Random(number), Client(server.route)
        while time.monotonic() < end:
            route, (path, body) = rng.choice(list(ROUTES.items()))
            method = "PATCH" if rng.random() < 0.05 else "GET" if body is None else "POST"
            text = " ".join(rng.choices(texts, k=rng.choice([1, 1, 1, 8])))
            content = b"" if body is None else json.dumps(body(text)).encode()
            if body is not None and rng.random() < 0.1:
                content = rng.choice([b"{", b"[7]", json.dumps({"model": text}).encode()])
            late = rng.choice(["0.001", "0.05"]) if rng.random() < 0.1 else "60"
            page = ["Origin: https://elsewhere.example"] if rng.random() < 0.05 else []
            status, spent, _ = await client.ask(method, path, content, f"X-Request-Timeout: {late}", *page)
            sent[route, status] += 1
            waited[route] += spent
            await asyncio.sleep(1 if status == 429 else 0.01)
        client.close()

    end = time.monotonic() + min(seconds, 60)
    await asyncio.gather(*(asks(number, end) for number in range(clients)))
    numbers = {
        name: float(value) for name, value in (line.rsplit(" ", 1) for line in metrics(server) if "route=" in line)
    }
    counted: Counter[tuple[str, int]] = Counter()
    for name, value in numbers.items():
        if found := re.fullmatch(r'vtag_requests_total\{route="(.*)",status="(\d+)"\}', name):
            counted[found[1], int(found[2])] += int(value)
    for route in ROUTES:
        statuses = {status: number for (of, status), number in sorted(sent.items()) if of == route}
        lasted = numbers[f'vtag_request_seconds_sum{{route="{route}"}}']
        number = int(numbers[f'vtag_request_seconds_count{{route="{route}"}}'])
        same = number == sum(statuses.values()) and lasted <= waited[route]
        print(
            f"{route}: {statuses}; in the histogram {number}, {lasted:.1f} of the clients' {waited[route]:.1f} s", same
        )
    print(f"{sum(sent.values())} requests; as /metrics counts them by route and status: {counted == sent}", flush=True)


# Of a machine that is cut off: how far each of its clients came.
CUT_OFF = """
import json, socket, sys, time
body = json.dumps({"input": ["Jane Doe lives in Paris."] * 500}).encode()
head = b"POST /v1/tag HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\n"
whole = head + b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body
kept = []
for sent in (b"", head, whole[:-10], whole):
    for _ in range(25):
        kept.append(socket.create_connection((sys.argv[1], int(sys.argv[2]))))
        kept[-1].sendall(sent)
print(flush=True)
time.sleep(300)
"""


async def gone(server: Server, texts: list[str], _: int, seconds: int = 120) -> None:
    """100 clients of a machine that is cut off, without a word: a network namespace whose link goes down. As root."""
    port = str(urlsplit(server.route).port)
    await lone(Client(server.route), texts)

    def state() -> str:
        sockets = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
        (under_way,) = [line.split()[1] for line in metrics(server) if line.startswith("vtag_requests_under_way ")]
        return f"{sockets} files open, {under_way} requests under way, {megabytes(server)} MB"

    print(f"before: {state()}")
    inside = ["ip", "netns", "exec", "vtag_gone"]
    subprocess.run(["ip", "netns", "add", "vtag_gone"], check=True)
    try:
        for command in (
            ["ip", "link", "add", "vtag_here", "type", "veth", "peer", "name", "vtag_there", "netns", "vtag_gone"],
            ["ip", "addr", "add", "10.77.0.1/24", "dev", "vtag_here"],
            ["ip", "link", "set", "vtag_here", "up"],
            [*inside, "ip", "addr", "add", "10.77.0.2/24", "dev", "vtag_there"],
            [*inside, "ip", "link", "set", "vtag_there", "up"],
        ):
            subprocess.run(command, check=True)
        clients = subprocess.Popen(
            [*inside, sys.executable, "-c", CUT_OFF, "10.77.0.1", port],
            stdout=subprocess.PIPE,
        )
        assert clients.stdout is not None
        await asyncio.to_thread(clients.stdout.readline)
        print(f"with 100 clients: {state()}")
        subprocess.run([*inside, "ip", "link", "set", "vtag_there", "down"], check=True)
        clients.kill()
        for after in range(0, seconds, 20):
            print(f"{after} s after the cut: {state()}", flush=True)
            await asyncio.sleep(20)
        print(
            f"{seconds} s after the cut: {state()}; a lone client: {quantiles(await lone(Client(server.route), texts))}"
        )
    finally:
        subprocess.run(["ip", "netns", "del", "vtag_gone"], check=True)


MEASURES = {
    "overload": overload,
    "fairness": fairness,
    "steady": steady,
    "document": document,
    "counts": counts,
    "gone": gone,
}


async def lone(client: Client, texts: list[str]) -> list[float]:
    """Seconds of 200 single texts."""
    return [(await client.post(text))[1] for text in texts[:200]]


def metrics(server: Server) -> list[str]:
    """Lines of /metrics."""
    with urllib.request.urlopen(server.route.replace("/v1/tag", "/metrics")) as answer:
        return str(answer.read().decode()).splitlines()


def alike(found: object, wanted: object) -> bool:
    """Whether answers are equal, scores within 1e-4."""
    if isinstance(found, float) and isinstance(wanted, float):
        return abs(found - wanted) <= 1e-4
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(alike, found, wanted))
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(alike(found[name], wanted[name]) for name in found)
    return found == wanted


def quantiles(seconds: list[float]) -> str:
    """Of latencies, in ms."""
    ordered = sorted(seconds)
    return (
        ", ".join(f"p{share} {1e3 * ordered[share * (len(ordered) - 1) // 100]:.0f}" for share in (50, 95, 99)) + " ms"
    )


def megabytes(server: Server) -> int:
    """Memory of all its processes, what they share counted once."""
    rollups = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in _tree(server.process.pid))
    return sum(int(line.split()[1]) for text in rollups for line in text.splitlines() if line.startswith("Pss:")) >> 10


if __name__ == "__main__":
    main()
