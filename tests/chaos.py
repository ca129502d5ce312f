"""Runs that are killed (SIGKILL) at random moments, again and again, against ones that are left alone.

python -m tests.chaos [KILLS] [SEED] [RECORDS]

The kills fall on `vtag run` into JSON Lines and Parquet, and on `vtag redact` with tokens, hashes, numbers and fakes;
before them, Ctrl-C (SIGINT) falls once on each. This process imports vLLM once and forks each run before there is any
engine: most of a run's start are imports. Prints how many kills there were once all bytes have proven equal.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

GOLD = Path(__file__).parent / "data" / "pii_synth_gold.jsonl"
# Some that cannot be tagged, so that the errors file is killed too.
BAD = [b"{\n", b'{"text": 1}\n', b'{"text": "\xff"}\n']
OUTPUTS = ("out.jsonl", "redacted.jsonl", "out.parquet")
POLICY = '{"default": "token", "labels": {"GIVEN_NAME": "number", "SURNAME": "fake", "CITY": "hash"}}'
MAPPING = ".mapping.jsonl"
FAILURES, INTERRUPTED = 6, 130


def chaos(kills: int, seed: int, records: int) -> int:
    """All chains; returns how often was killed, and raises where there is a difference."""
    from vtag.files import chunks

    chunks.RECORDS = 50  # many moments between two chunks
    random_ = random.Random(seed)
    shares = [len(range(first, kills, len(OUTPUTS))) for first in range(len(OUTPUTS))]
    os.environ["VTAG_REDACT_KEY"] = "a key of the tests alone, and no secret"
    with tempfile.TemporaryDirectory() as place:
        tempfile.tempdir = place  # what is killed leaves files behind
        corpus(Path(place, "in.jsonl"), records, random_)
        Path(place, "policy.json").write_text(POLICY)
        chains = zip(OUTPUTS, shares, strict=True)
        return sum(chain(Path(place), name, share, random_) for name, share in chains if share)


def corpus(path: Path, records: int, random_: random.Random) -> None:
    """Texts of the gold data, a number after each, and some records that cannot be tagged."""
    texts = [json.loads(line)["text"] for line in GOLD.read_text("utf-8").splitlines()]
    lines = [json.dumps({"id": i, "text": f"{random_.choice(texts)} {i}"}).encode() + b"\n" for i in range(records)]
    for i in random_.sample(range(records), records // 50):
        lines[i] = random_.choice(BAD)
    path.write_bytes(b"".join(lines))


def chain(folder: Path, name: str, kills: int, random_: random.Random) -> int:
    """Kill and go on so many times; then let it end, and compare with a run that was left alone."""
    whole, output = folder / f"whole-{name}", folder / name
    begun = time.monotonic()
    assert ended(start(folder, whole), folder) == FAILURES
    longest = (time.monotonic() - begun) / 3
    interrupt(start(folder, output), folder, output)
    done = 0
    while done < kills:
        if kill_at_random(start(folder, output), folder, output, random_, longest):
            done += 1
        else:  # it was through: the next kills are of another run
            compare(whole, output)
            for path in folder.glob(f"{name}*"):
                path.unlink()
    assert ended(start(folder, output), folder) == FAILURES
    compare(whole, output)
    return done


def start(folder: Path, output: Path) -> int:
    """Fork a process that runs the command, its stderr in a file; returns its number."""
    process = os.fork()
    if process:
        return process
    try:
        os.dup2(os.open(folder / f"{output.suffix}.stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        from vtag.cli.main import main

        command = ["run"]
        if output.name.endswith("redacted.jsonl"):
            command = ["redact", "--policy", str(folder / "policy.json"), "--mapping", f"{output}{MAPPING}"]
        os._exit(main([*command, "demo", str(folder / "in.jsonl"), "-o", str(output)]))
    finally:
        os._exit(1)


def ended(process: int, folder: Path) -> int:
    """The exit code of a run that is over; negative where a signal has ended it."""
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert code in (FAILURES, -signal.SIGKILL), [path.read_text("utf-8") for path in folder.glob("*.stderr")]
    return code


def kill_at_random(process: int, folder: Path, output: Path, random_: random.Random, longest: float) -> bool:
    """Kill it some time after it has begun to write (one time in eight: after its start); false if it was through."""
    if random_.random() >= 1 / 8:
        wait_for_a_chunk(process, output)
    end = time.monotonic() + random_.uniform(0, longest)
    while time.monotonic() < end and not over(process):
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    return ended(process, folder) != FAILURES


def interrupt(process: int, folder: Path, output: Path) -> None:
    """Ctrl-C once something is safe: the run says so in one line, and the next one goes on."""
    wait_for_a_chunk(process, output)
    os.kill(process, signal.SIGINT)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    said = (folder / f"{output.suffix}.stderr").read_text("utf-8")
    assert (code, said.startswith("vtag: interrupted after "), said.count("\n")) == (INTERRUPTED, True, 1), said


def wait_for_a_chunk(process: int, output: Path) -> None:
    """Until the journal has one chunk more than now, or the run is over."""
    journal = output.with_name(f"{output.name}.journal")

    def chunks() -> int:
        return journal.read_bytes().count(b'{"file"') if journal.exists() else 0

    before = chunks()
    while chunks() == before and not over(process):
        time.sleep(0.01)


def over(process: int) -> bool:
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def compare(whole: Path, output: Path) -> None:
    for suffix in ("", ".errors.jsonl", *([MAPPING] if "redacted" in output.name else [])):
        paths = [path.with_name(path.name + suffix) for path in (output, whole)]
        assert paths[0].read_bytes() == paths[1].read_bytes(), f"{paths[0].name} differs"
    assert not output.with_name(f"{output.name}.parts").exists()


if __name__ == "__main__":
    asked = [*map(int, sys.argv[1:]), *(100, 0, 10_000)[len(sys.argv) - 1 :]]
    started = time.monotonic()
    print(f"{chaos(*asked)} kills, all bytes equal, {time.monotonic() - started:.0f} s")
