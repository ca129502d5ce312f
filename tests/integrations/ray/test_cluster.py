"""`vtag run --ray` on two nodes of this machine: the bytes of a local run, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integrations.ray.nodes import Nodes
from vtag import tag_files
from vtag.files import chunks
from vtag.files.journal import State
from vtag.integrations.ray import Cluster

GOLD = Path(__file__).parents[2] / "data" / "pii_synth_gold.jsonl"
TEXTS = [json.loads(line)["text"] for line in GOLD.read_text("utf-8").splitlines()]
CHUNKS = 20
# A driver with small chunks, so that there is much between the first and the last.
DRIVER = "import sys; from vtag.files import chunks; from vtag.cli.main import main; chunks.RECORDS = int(sys.argv[1])"


def corpus(path: Path, count: int) -> Path:
    """Texts with a number after each, and every fiftieth record broken."""
    lines = [json.dumps({"id": i, "text": f"{TEXTS[i % len(TEXTS)]} {i}"}) for i in range(count)]
    lines[::50] = ['{"text": 1}'] * len(lines[::50])
    path.write_text("\n".join(lines), "utf-8")
    return path


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 100
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def committed(output: Path) -> int:
    journal = output.with_name(f"{output.name}.journal")
    return journal.read_bytes().count(b'{"file"') if journal.exists() else 0


@pytest.mark.parametrize("records", [500, pytest.param(20_000, marks=pytest.mark.long)])
def test_driver_actor_and_node_are_killed_and_the_bytes_are_those_of_a_local_run(
    records: int, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "RECORDS", records // CHUNKS)
    source, output, whole = corpus(tmp_path / "in.jsonl", records), tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    command = ["run", "demo", str(source), "-o", str(output), "--dtype", "float32"]
    command += ["--ray", "--ray-address", nodes.address, "--workers", "1"]
    code = f"{DRIVER}; sys.exit(main(sys.argv[2:]))"
    driver = subprocess.Popen([sys.executable, "-c", code, str(records // CHUNKS), *command])
    second = nodes.add()
    tag_files("demo", source, whole, dtype="float32")
    wait_until(lambda: committed(output) >= 2)
    driver.kill()
    driver.wait()

    killed: list[int] = []

    def watch(state: State, share: float | None) -> None:
        """An actor on one node, and the other node."""
        workers = nodes.workers(nodes.head), nodes.workers(second)
        if not killed and state.records >= records // 3 and all(workers):
            os.kill(workers[0][0], signal.SIGKILL)
            nodes.kill(second)
            killed.extend([workers[0][0], *workers[1]])

    cluster = Cluster("demo", address=nodes.address, dtype="float32")
    state = tag_files(cluster, source, output, watch=watch)
    assert killed
    assert (state.records, state.failures) == (records, records // 50)
    for end in ("", ".errors.jsonl"):
        assert Path(f"{output}{end}").read_bytes() == Path(f"{whole}{end}").read_bytes()
