"""vtag's server against vLLM's own, under wrk (Debian's package): texts/s, texts per CPU-second, latency.

    python benchmarks/server.py [MODEL] [--seconds 8] [--rounds 3] [--int8]

The servers take turns, round by round, with the same real texts over keep-alive connections. vLLM's answers with
matrices of logits (`/pooling`), vtag's with spans (`/v1/tag`). CPU time is that of all processes of a server.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
# How many clients, and texts a request.
LOADS = {"1 client, a text": (1, 1), "32 clients, a text": (32, 1), "8 clients, 32 texts": (8, 32)}


@dataclass(frozen=True)
class Server:
    """One that listens; body: texts -> what it takes."""

    route: str
    process: subprocess.Popen[bytes]
    body: Callable[[list[str]], dict[str, Any]]

    def cpu(self) -> float:
        """CPU-seconds of all its processes so far."""
        return sum(_cpu(pid) for pid in _tree(self.process.pid))


def main() -> None:
    """Measure, and print a table for each load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="demo")
    parser.add_argument("--seconds", type=int, default=8, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--int8", action="store_true", help="vtag with int8 weights as well")
    parser.add_argument("--only", default="", help="loads whose name has this in it")
    parser.add_argument("--servers", default="", help="servers whose name has one of these words in it")
    args = parser.parse_args()
    texts = short_texts()
    print(f"CPU: {processor()}; rounds of {args.seconds} s, medians of {args.rounds}")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers = {
            name: stack.enter_context(make(Path(folder)))
            for name, make in makers(args.model, args.int8).items()
            if any(word in name for word in args.servers.split(","))
        }
        for load, (clients, many) in LOADS.items():
            if args.only in load:
                rows: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
                for turn in range(args.rounds + 1):
                    for name, server in servers.items():
                        quiet(servers.values())
                        row = measured(server, texts, clients, many, args.seconds if turn else 2, Path(folder))
                        if turn:  # the first one warms up
                            rows[name].append(row)
                print(f"\n{load}\n{table(rows)}", flush=True)


def processor() -> str:
    """What it is, and what it has."""
    from vtag.system import cpu

    return f"{cpu.describe()}, {os.cpu_count()} cores"


def short_texts(most: int = 72) -> list[str]:
    """Real texts of up to so many characters."""
    lines = (ROOT / "tests/data/pii_synth_gold.jsonl").open(encoding="utf-8")
    return [text for text in (json.loads(line)["text"] for line in lines) if len(text) <= most]


def makers(model: str, int8: bool) -> dict[str, Callable[[Path], Any]]:
    """What makes each server."""
    from vtag.model.demo import demo_model

    folder = demo_model() if model == "demo" else Path(model)
    made: dict[str, Callable[[Path], Any]] = {
        "vLLM as shipped": lambda out: stock(folder, out),
        "vLLM, two processes": lambda out: stock(folder, out, uni=True),
        "vtag": lambda out: ours(folder, out),
    }
    if int8:
        made["vtag int8"] = lambda out: ours(folder, out, "--engine", "quantization=int8")
    return made


@contextmanager
def ours(model: Path, folder: Path, *options: str) -> Iterator[Server]:
    """`vtag serve`."""
    log = folder / f"vtag{len(options)}.log"
    process = _spawn([sys.executable, "-m", "vtag", "serve", str(model), "--port", "0", *options], log)
    try:
        url = _wait(process, log, lambda: re.search(r"is served at (\S+)", log.read_text("utf-8")))[1]
        yield Server(f"{url}/v1/tag", process, lambda texts: {"input": texts if len(texts) > 1 else texts[0]})
    finally:
        _end(process)


@contextmanager
def stock(model: Path, folder: Path, *, uni: bool = False) -> Iterator[Server]:
    """vLLM's own server, as shipped (an engine with a worker of its own) or in two processes."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / f"vllm{uni}.log"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--dtype", "bfloat16", "--gpu-memory-utilization", "0.2", "--enforce-eager"]
    command += ["--runner", "pooling", "--disable-uvicorn-access-log", "--no-enable-log-requests"]
    settings = {"VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, sorted(os.sched_getaffinity(0)))), "VLLM_PLUGINS": ""}
    if uni:
        command += ["--distributed-executor-backend", "uni"]
        settings = {"OMP_NUM_THREADS": str(os.cpu_count()), "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_PLUGINS": ""}
    process = _spawn(command, log, settings)
    try:
        _wait(process, log, lambda: _answers(f"http://127.0.0.1:{port}/health"))
        route = f"http://127.0.0.1:{port}/pooling"
        asked = {"model": str(model), "task": "token_classify"}
        yield Server(route, process, lambda texts: asked | {"input": texts if len(texts) > 1 else texts[0]})
    finally:
        _end(process)


def quiet(servers: Iterable[Server]) -> None:
    """Returns once none of them works: vLLM's go on for seconds after the last client is gone."""
    busy = True
    while busy:
        before = sum(server.cpu() for server in servers)
        time.sleep(0.5)
        busy = sum(server.cpu() for server in servers) - before > 0.05


def measured(server: Server, texts: list[str], clients: int, many: int, seconds: int, folder: Path) -> dict[str, float]:
    """One run of wrk."""
    bodies = folder / "bodies"
    lists = [(texts * 2)[at : at + many] for at in range(0, len(texts), many)]
    bodies.write_text("".join(json.dumps(server.body(part), ensure_ascii=False) + "\n" for part in lists), "utf-8")
    command = [
        "wrk",
        "-t1",
        f"-c{clients}",
        f"-d{seconds}s",
        "--timeout",
        "60s",
        "-s",
        str(ROOT / "benchmarks/server.lua"),
    ]
    before = server.cpu()
    done = subprocess.run([*command, server.route, "--", str(bodies)], check=True, capture_output=True, text=True)
    spent = server.cpu() - before
    summary: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if summary["refused"] or summary["broken"]:
        print(f"{server.route}: {summary}", file=sys.stderr)
    answered = summary["requests"] * many
    return {"texts/s": answered / summary["seconds"], "texts/CPU-s": answered / spent, **summary}


def table(rows: dict[str, list[dict[str, float]]]) -> str:
    """Medians of the rounds; the rates also as multiples of the first server's."""
    shown = ("texts/s", "texts/CPU-s", "p50", "p99")
    lines = [f"| {'server':20} | " + " | ".join(f"{name:>18}" for name in shown) + " |"]
    first: dict[str, float] = {}
    for server, runs in rows.items():
        medians = {name: statistics.median(run[name] for run in runs) for name in shown}
        first = first or medians
        cells = [f"{medians[name]:9.1f} ({medians[name] / first[name]:4.2f} x)" for name in shown]
        lines.append(f"| {server:20} | " + " | ".join(f"{cell:>18}" for cell in cells) + " |")
    return "\n".join(lines)


def _spawn(command: list[str], log: Path, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=os.environ | (environment or {}), start_new_session=True
        )


def _wait(process: subprocess.Popen[bytes], log: Path, ready: Callable[[], Any]) -> Any:
    end = time.monotonic() + 180
    while time.monotonic() < end and process.poll() is None:
        if found := ready():
            return found
        time.sleep(0.1)
    sys.exit(f"no server: {log.read_text('utf-8')[-9000:]}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(30)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what outlives it


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
