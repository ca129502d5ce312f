"""Real `vtag serve` processes, and what is needed to talk to them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from tests import scripts
from tests.scripts import Script
from vtag.serve.pipeline.long_texts import NAME

# httpx makes a TLS context for each call, of http:// too: with the system's certificates that takes 36 ms.
NO_TLS = False
# A label map for the demo model.
PRESIDIO_LABELS = Path(__file__).parents[2] / "examples" / "presidio_labels.toml"


@dataclass(frozen=True)
class Server:
    """A server that listens. log: all that it has written."""

    url: str
    process: Process
    log: Path

    def post(self, route: str, body: Any, **kwargs: Any) -> httpx.Response:
        """JSON, posted."""
        return httpx.post(f"{self.url}{route}", json=body, timeout=120, verify=NO_TLS, **kwargs)

    def get(self, route: str, **kwargs: Any) -> httpx.Response:
        return httpx.get(f"{self.url}{route}", timeout=60, verify=NO_TLS, **kwargs)

    @property
    def engine(self) -> int:
        """Process id of the engine."""
        (child,) = [pid for pid in children(self.process.pid) if pid != self.forks]
        return child

    @property
    def forks(self) -> int:
        """Process id of the one that forks for long texts."""
        (child,) = [pid for pid in children(self.process.pid) if Path(f"/proc/{pid}/comm").read_bytes().strip() == NAME]
        return child


def children(pid: int) -> set[int]:
    """Process ids of its children."""
    tasks = Path(f"/proc/{pid}/task")
    return {int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()}


Process = subprocess.Popen[bytes] | Script
Variables = Mapping[str, str]
NO_VARIABLES: Variables = {}
# A server that several tests share must not have the key of the one that asks for it first.
KEYS = ("VLLM_API_KEY", "VTAG_REDACT_KEY")


def start(
    model: str | Path,
    log: Path,
    *options: str,
    command: str = "serve",
    cold: bool = False,
    env: Variables = NO_VARIABLES,
) -> Process:
    """`vtag serve`, or `vtag play`, not waited for.

    cold: in a process that imports all anew. env: variables beside those of the tests, whose keys it does not have.
    """
    line = ["-m", "vtag", command, str(model), "--port", "0", *options]
    environment = {name: value for name, value in os.environ.items() if name not in KEYS} | {**env}
    log.write_bytes(b"")
    if not cold:
        return scripts.start(line, log, env=environment)
    with log.open("wb") as out:
        return subprocess.Popen([sys.executable, *line], stdout=out, stderr=subprocess.STDOUT, env=environment)


def listening(process: Process, log: Path, seconds: float = 120) -> Server:
    """The server of that process, once it listens."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(r"is served at (http://\S+?) ", log.read_text("utf-8")):
            return Server(found[1], process, log)
        time.sleep(0.05)
    raise AssertionError(f"no server after {seconds} s: exit code {process.poll()}: {log.read_text('utf-8')}")


@contextmanager
def plain(model: str | Path, log: Path, *options: str, environment: dict[str, str]) -> Iterator[Server]:
    """vLLM's own server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), *options]
    command += ["--host", "127.0.0.1", "--port", str(port), "--gpu-memory-utilization", "0.2", "--enforce-eager"]
    folder = TemporaryDirectory(prefix="v-")  # vLLM leaves its sockets there
    there = os.environ | environment | {"TMPDIR": folder.name}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=there, start_new_session=True)
    try:
        end = time.monotonic() + 180
        while time.monotonic() < end and process.poll() is None and not _answers(url):
            time.sleep(0.1)
        assert _answers(url), log.read_text("utf-8")[-3000:]
        yield Server(url, process, log)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its engine's processes outlive it at times
        folder.cleanup()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def serving(
    model: str | Path, log: Path, *options: str, cold: bool = False, env: Variables = NO_VARIABLES
) -> Iterator[Server]:
    """A server, ended with SIGTERM where it still runs."""
    process = start(model, log, *options, cold=cold, env=env)
    try:
        yield listening(process, log)
    finally:
        process.terminate()
        process.wait(60)
