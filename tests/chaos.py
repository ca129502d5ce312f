"""Runs of `vtag run` that are killed (SIGKILL) at random moments, again and again, against one that is left alone.

python -m tests.chaos [KILLS] [SEED]
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.parity.checkpoints import build
from vtag.files.store import beside

GOLD = Path(__file__).parent / "data" / "pii_synth_gold.jsonl"
# Bad ones among them, so that the errors file is killed too.
BAD = [b"{\n", b'{"text": 1}\n', b'{"text": "\xff"}\n']
# `vtag run`, with chunks so small that there are many moments between two of them.
RUN = (
    "import sys; from vtag.files import chunks; chunks.RECORDS = 100; from vtag.cli.main import main; sys.exit(main())"
)
FAILURES = 6


def corpus(path: Path, records: int, seed: int) -> Path:
    """Texts of the gold data, a number behind each, and some records that cannot be tagged."""
    random_ = random.Random(seed)
    texts = [json.loads(line)["text"] for line in GOLD.read_text("utf-8").splitlines()]
    lines = [json.dumps({"id": i, "text": f"{random_.choice(texts)} {i}"}).encode() + b"\n" for i in range(records)]
    for i in random_.sample(range(records), records // 50):
        lines[i] = random_.choice(BAD)
    path.write_bytes(b"".join(lines))
    return path


def start(model: Path, source: Path, output: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", RUN, "run", str(model), str(source), "-o", str(output)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> str:
    """Its complaints, once it has ended by itself."""
    _, said = process.communicate(timeout=300)
    assert process.returncode == FAILURES, said.decode()
    return said.decode()


def kill_at_random(process: subprocess.Popen[bytes], journal: Path, random_: random.Random, longest: float) -> bool:
    """Kill it some time after it has begun to write, or (one time in eight) at any time; false if it ended before."""
    before = journal.stat().st_size if journal.exists() else 0
    anywhere = random_.random() < 1 / 8
    while not anywhere and process.poll() is None and (not journal.exists() or journal.stat().st_size == before):
        time.sleep(0.01)
    try:
        process.wait(random_.uniform(0, longest))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode in (-signal.SIGKILL, FAILURES), said.decode()
    return process.returncode != FAILURES


def chain(model: Path, source: Path, folder: Path, name: str, kills: int, seed: int) -> int:
    """Kill and go on so many times; then let it end, and compare with a run that was left alone. Returns the kills."""
    random_ = random.Random(seed)
    whole, output = folder / f"whole-{name}", folder / name
    begun = time.monotonic()
    finish(start(model, source, whole))
    longest = (time.monotonic() - begun) / 8
    done = 0
    while done < kills:
        if kill_at_random(start(model, source, output), beside(output, ".journal"), random_, longest):
            done += 1
        else:  # it was through: the next kills are of another run
            compare(whole, output)
            for path in folder.glob(f"{name}*"):
                path.unlink()
    finish(start(model, source, output))
    compare(whole, output)
    return done


def compare(whole: Path, output: Path) -> None:
    for suffix in ("", ".errors.jsonl"):
        assert beside(output, suffix).read_bytes() == beside(whole, suffix).read_bytes(), (
            f"{output.name}{suffix} differs"
        )
    assert not beside(output, ".parts").exists()


def chaos(folder: Path, kills: int, seed: int, records: int) -> int:
    """Half of the kills on JSON Lines, half on Parquet, side by side."""
    model = build("bert", folder / "model", seed=1, num_labels=5)
    source = corpus(folder / "in.jsonl", records, seed)
    with ThreadPoolExecutor(2) as pool:
        chains = [
            pool.submit(chain, model, source, folder, name, kills // 2, seed + i)
            for i, name in enumerate(("out.jsonl", "out.parquet"))
        ]
        return sum(chain.result() for chain in chains)


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as place:
        begun = time.monotonic()
        killed = chaos(Path(place), asked, int(sys.argv[2]) if len(sys.argv) > 2 else 0, records=10_000)
        print(f"{killed} kills, all bytes equal, {time.monotonic() - begun:.0f} s")
