"""`vtag run --ray` against `vtag run`: records a second with one and two workers, and what Ray takes for itself.

    python benchmarks/cluster.py [MODEL] [--count 20000] [--rounds 1]

Each figure is a process of its own, the local ones held to as many cores as the workers have. Counted is from a quarter
of the records on, when all workers are there, to the last chunk but a few, when some have nothing left to do. The bytes
of all outputs must be equal.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GOLD = Path(__file__).parent.parent / "tests" / "data" / "pii_synth_gold.jsonl"
RECORDS = 500  # a chunk
MARK = "VTAG_BENCHMARK"

STARTS, NONE = (0, 6, 12, 18), (None, None, None)

# Name -> cores of a local run, or workers and cores of each.
WAYS: dict[str, tuple[int, int]] = {
    "local, 1 core": (0, 1),
    "local, 2 cores": (0, 2),
    "1 worker of 1 core": (1, 1),
    "2 workers of 1 core": (2, 1),
    "1 worker of 2 cores": (1, 2),
}


def measure(model: str, source: str, output: str, workers: str, cores: str, count: str) -> None:
    """One run in this process; prints what came of it."""
    if workers == "0":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    from vtag import tag_files
    from vtag.files import chunks

    chunks.RECORDS = RECORDS
    tagger: Any = model
    if workers != "0":
        from vtag.integrations.ray import Cluster

        tagger = Cluster(model, workers=(int(workers), int(workers)), cpus=int(cores))
    seen: list[tuple[int, float, float]] = []
    memory: dict[str, float] = {}

    def watch(state: Any, share: float | None) -> None:
        if state.records >= int(count) // 4:
            seen.append((state.records, time.perf_counter(), time.process_time()))
        if state.records >= int(count) * 9 // 10 and not memory:
            memory.update(by_part())

    tag_files(tagger, source, output, watch=watch)
    tail = max(2, 2 * int(workers))
    (first, wall, cpu), (last, wall_end, cpu_end) = seen[0], seen[-tail]
    done = last - first
    print(
        json.dumps(
            {
                "records": done / (wall_end - wall),
                "micros": 1e6 * (cpu_end - cpu) / done,
                "memory": memory,
            }
        )
    )


def ceiling(count: str) -> None:
    """What this process can do where workers take no time: they give each text four spans that are made up."""
    from ray import cloudpickle

    from vtag import tag_files
    from vtag.integrations.ray import Cluster, pool
    from vtag.integrations.ray.worker import Worker
    from vtag.model.identity import processor, shared_identity
    from vtag.model.plan import make_plan

    class Echo(Worker):
        def start(self, model: str, engine: Any) -> Any:
            return shared_identity(make_plan(model, **engine)), processor()

        def tag(self, texts: Any, options: Any) -> Any:
            rows = [[(i, i + 5, "LABEL", 0.98765432, text[i : i + 5], *NONE) for i in STARTS] for text in texts]
            return pickle.dumps(rows), 0

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    pool.Worker = Echo  # type: ignore[misc]
    seen: list[tuple[int, float, float]] = []

    def watch(state: Any, share: float | None) -> None:
        seen.append((state.records, time.perf_counter(), time.process_time()))

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "in.jsonl").write_text("".join(lines(int(count))), "utf-8")
        tag_files(Cluster("demo", workers=(1, 1)), f"{folder}/in.jsonl", f"{folder}/out.jsonl", watch=watch)
    (first, wall, cpu), (last, wall_end, cpu_end) = seen[2], seen[-1]
    done = last - first
    print(
        f"the driver alone: {done / (wall_end - wall):,.0f} records/s, {1e6 * (cpu_end - cpu) / done:.1f} µs a record"
    )


def by_part() -> dict[str, float]:
    """MiB (proportional set size) of this run's processes: this one, workers, Ray's own."""
    found: dict[str, float] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if MARK.encode() not in (process / "environ").read_bytes():
                continue
            title = (process / "cmdline").read_text("utf-8")
            lines = (process / "smaps_rollup").read_text("utf-8").splitlines()
        except OSError:
            continue
        size = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
        part = "here" if int(process.name) == os.getpid() else "workers" if "::Worker" in title else "Ray"
        found[part] = found.get(part, 0) + size
    return found


def lines(count: int) -> Iterator[str]:
    """Gold texts, a number after each."""
    texts = [json.loads(line)["text"] for line in GOLD.read_text("utf-8").splitlines()]
    for number in range(count):
        yield json.dumps({"id": number, "text": f"{texts[number % len(texts)]} {number}"}) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", nargs="?", default="demo")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.jsonl")
        source.write_text("".join(lines(arguments.count)), "utf-8")
        outputs: set[bytes] = set()
        for round_ in range(arguments.rounds):
            for name, (workers, cores) in WAYS.items():
                output = Path(folder, f"{round_}-{workers}-{cores}.jsonl")
                given = map(str, (arguments.model, source, output, workers, cores, arguments.count))
                command = [sys.executable, __file__, "--measure", *given]
                environment = os.environ | {MARK: "1"}
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
                row = json.loads(done.stdout.splitlines()[-1])
                memory = ", ".join(f"{part} {size:,.0f}" for part, size in sorted(row["memory"].items()))
                print(
                    f"{name:20} {row['records']:7,.0f} records/s  {row['micros']:6,.0f} µs of this process a record  "
                    f"MiB: {memory}",
                    flush=True,
                )
                outputs.add(output.read_bytes())
        subprocess.run([sys.executable, __file__, "--ceiling", "400000"], check=True)
        print("bytes equal" if len(outputs) == 1 else f"{len(outputs)} DIFFERENT outputs")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
    elif sys.argv[1:2] == ["--ceiling"]:
        ceiling(*sys.argv[2:])
    else:
        main()
