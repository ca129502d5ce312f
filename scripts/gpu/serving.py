"""A `vtag serve` and clients for it, in processes of their own."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Clients that share a process, and with it Python's lock.
TOGETHER = 4


@contextmanager
def server(model: Path, log: Path) -> Iterator[str]:
    """The address of a server with this model; raises RuntimeError where it does not start."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "vtag", "serve", str(model), "--port", "0"], stdout=out, stderr=out
        )
    try:
        while process.poll() is None:
            if listens := re.search(r"is served at (http://\S+?) ", log.read_text("utf-8")):
                yield listens[1]
                return
            time.sleep(0.1)
        raise RuntimeError("the server did not start")
    finally:
        process.terminate()
        process.wait()
        print(log.read_text("utf-8"))


def load(url: str, texts: Sequence[str], clients: int, seconds: float) -> dict[str, Any]:
    """Texts a second and the percentiles of the time that a client waits, in ms."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(-(-clients // TOGETHER), mp_context=context) as pool:
        shares = [len(range(first, clients, -(-clients // TOGETHER))) for first in range(-(-clients // TOGETHER))]
        started = [pool.submit(some_clients, url, texts, share, seconds) for share in shares]
        of_each = [waited for share in started for waited in share.result()]
    waits = sorted(wait for waited in of_each for wait in waited)
    return {
        "right": len(of_each) == clients and all(of_each),
        "texts_s": round(sum(len(waited) / sum(waited) for waited in of_each)),
        "p50_ms": percentile(waits, 0.5),
        "p99_ms": percentile(waits, 0.99),
    }


def percentile(waits: Sequence[float], share: float) -> float:
    """In ms, of ascending seconds."""
    return round(1000 * waits[min(len(waits) - 1, int(share * len(waits)))], 2)


def some_clients(url: str, texts: Sequence[str], clients: int, seconds: float) -> list[list[float]]:
    """The waits of each client, in seconds; raises RuntimeError for an answer that is not 200."""
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(lambda number: client(url, texts[number::clients], seconds), range(clients)))


def client(url: str, texts: Sequence[str], seconds: float) -> list[float]:
    """One text after the other over one connection."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    waits: list[float] = []
    ends = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < ends:
        body = json.dumps({"input": texts[len(waits) % len(texts)]})
        connection.request("POST", "/v1/tag", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {said[:200]!r}")
        waits.append(time.perf_counter() - begun)
    return waits
