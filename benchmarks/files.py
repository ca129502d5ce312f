"""`tag_files`, or `vtag tag` behind a pipe, against `LLM.tag_stream` on the same texts: speed, and memory at the peak.

    python benchmarks/files.py [files|tag] [MODEL] [--texts FILE.jsonl...] [--count 300000] [--pairs 1] [--shape tiny]

With --shape MODEL gives tokenizer and labels alone, and the weights are random (benchmarks/stream.py). Each figure is a
process of its own, without the engine's start. `tag_stream` reads the same file, and its spans are counted and dropped.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
GOLD = HERE.parent / "tests" / "data" / "pii_synth_gold.jsonl"
OUTPUT = {"files": "out.jsonl", "tag": "out"}


def texts(path: str) -> Iterator[str]:
    """The text of each line."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"] if path.endswith(".jsonl") else line[:-1]


def stream(llm: Any, source: str, output: str) -> int:
    """How many spans `tag_stream` finds."""
    return sum(map(len, llm.tag_stream(texts(source))))


def files(llm: Any, source: str, output: str) -> int:
    """How many spans `tag_files` writes."""
    from vtag import tag_files

    return sum(tag_files(llm, source, output).labels.values())


def tag(llm: Any, source: str, output: str) -> int:
    """`cat source | vtag tag --json > output`, with this engine."""
    from vtag.cli.main import main
    from vtag.engine.llm import LLM

    LLM.of = lambda made: llm  # type: ignore[method-assign, assignment]
    with subprocess.Popen(["cat", source], stdout=subprocess.PIPE) as cat, open(output, "w", encoding="utf-8") as out:
        assert cat.stdout is not None
        os.dup2(cat.stdout.fileno(), 0)
        before, sys.stdout = sys.stdout, out
        assert main(["tag", llm.plan.name, "--json"]) == 0
        sys.stdout = before
    return -1


def measure(how: str, model: str, source: str, output: str) -> None:
    """One run in this process; prints seconds, spans and MiB at the peak."""
    from vtag import LLM

    with LLM(model) as llm:
        start = time.perf_counter()
        spans = {"stream": stream, "files": files, "tag": tag}[how](llm, source, output)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if how == "tag":
        with open(output, encoding="utf-8") as lines:
            spans = sum(len(json.loads(line)["spans"]) for line in lines)
    print(json.dumps({"seconds": seconds, "spans": spans, "peak": peak}))


def main() -> None:
    from vtag.model.demo import demo_model

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("how", choices=OUTPUT, nargs="?", default="files")
    parser.add_argument("model", metavar="MODEL", nargs="?", default=str(demo_model()))
    parser.add_argument("--texts", nargs="+", type=Path, default=[GOLD], metavar="FILE.jsonl")
    parser.add_argument("--count", type=int, default=300_000)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--shape")
    arguments = parser.parse_args()
    sys.path.insert(0, str(HERE))
    from stream import random_weights, read

    other = arguments.how
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model
        if arguments.shape:
            model = random_weights(model, arguments.shape, f"{folder}/model")
        source = f"{folder}/in.jsonl" if other == "files" else f"{folder}/in.txt"
        with open(source, "w", encoding="utf-8") as file:
            for number, text in enumerate(read(arguments.texts, arguments.count)):
                line = json.dumps({"id": number, "text": text}) if other == "files" else " ".join(text.split())
                file.write(f"{line}\n")
        for pair in range(arguments.pairs):
            found = {}
            for how in ("stream", other) if pair % 2 == 0 else (other, "stream"):
                output = f"{folder}/{pair}-{OUTPUT[other]}"
                command = [sys.executable, __file__, "--measure", how, model, source, output]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                found[how] = json.loads(done.stdout.splitlines()[-1])
                row = found[how]
                print(
                    f"{how:7} {arguments.count / row['seconds']:8,.0f} texts/s  {row['peak']:6,.0f} MiB at most  "
                    f"{row['spans']:,} spans",
                    flush=True,
                )
            rate = found["stream"]["seconds"] / found[other]["seconds"]
            print(f"{other}/stream: rate {rate:.2f}, memory {found[other]['peak'] / found['stream']['peak']:.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
    else:
        main()
