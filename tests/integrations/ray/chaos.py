"""A run on two nodes whose driver, then an actor and a node are killed (SIGKILL), against one on this machine alone.

python -m tests.integrations.ray.chaos [RECORDS]
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests import scripts
from tests.integrations.ray.nodes import Nodes, share_environment
from vtag import tag_files
from vtag.files import chunks
from vtag.files.journal import State

GOLD = Path(__file__).parents[2] / "data" / "pii_synth_gold.jsonl"
CHUNKS = 20
DRIVER = "import sys; from vtag.files import chunks; from vtag.cli.main import main; chunks.RECORDS = int(sys.argv[1])"


def chaos(nodes: Nodes, folder: Path, records: int) -> None:
    """Raises where there is a difference."""
    from vtag.integrations.ray import Cluster

    chunks.RECORDS = records // CHUNKS  # much between the first and the last
    source, output, whole = corpus(folder / "in.jsonl", records), folder / "out.jsonl", folder / "whole.jsonl"
    driver = start(nodes, source, output)
    second = nodes.add()

    def kill_driver(*_: object) -> None:
        if committed(output) >= 2:
            driver.kill()

    tag_files("demo", source, whole, dtype="float32", watch=kill_driver)
    wait_until(lambda: committed(output) >= 2)
    driver.kill()
    assert driver.wait() == -signal.SIGKILL

    killed: list[int] = []

    def watch(state: State, share: float | None) -> None:
        """Kills an actor on one node, and the other node."""
        workers = nodes.workers(nodes.head), nodes.workers(second)
        if not killed and state.records >= records // 3 and all(workers):
            os.kill(workers[0][0], signal.SIGKILL)
            nodes.kill(second)
            killed.extend([workers[0][0], *workers[1]])

    state = tag_files(Cluster("demo", address=nodes.address, dtype="float32"), source, output, watch=watch)
    assert killed
    assert (state.records, state.failures) == (records, records // 50)
    for end in ("", ".errors.jsonl"):
        assert Path(f"{output}{end}").read_bytes() == Path(f"{whole}{end}").read_bytes()


def corpus(path: Path, count: int) -> Path:
    """Texts with a number after each, and every fiftieth record broken."""
    texts = [json.loads(line)["text"] for line in GOLD.read_text("utf-8").splitlines()]
    lines = [json.dumps({"id": i, "text": f"{texts[i % len(texts)]} {i}"}) for i in range(count)]
    lines[::50] = ['{"text": 1}'] * len(lines[::50])
    path.write_text("\n".join(lines), "utf-8")
    return path


def start(nodes: Nodes, source: Path, output: Path) -> scripts.Script:
    """`vtag run --ray`, with chunks of this process's size."""
    command = ["run", "demo", str(source), "-o", str(output), "--dtype", "float32", "--quiet"]
    command += ["--ray", "--ray-address", nodes.address, "--workers", "1"]
    code = f"{DRIVER}; sys.exit(main(sys.argv[2:]))"
    said = output.with_name("driver.log")
    return scripts.start(["-c", code, str(chunks.RECORDS), *command], said)


def committed(output: Path) -> int:
    journal = output.with_name(f"{output.name}.journal")
    return journal.read_bytes().count(b'{"file"') if journal.exists() else 0


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 100
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


if __name__ == "__main__":
    share_environment()
    count, begun = int([*sys.argv[1:], "20000"][0]), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ray-") as place, Nodes(Path(place, "nodes")) as made:
        chaos(made, Path(place), count)
    print(f"{count:,} records: driver, actor and node killed, all bytes equal, {time.monotonic() - begun:.0f} s")
