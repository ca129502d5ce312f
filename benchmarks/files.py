"""`tag_files` against `LLM.tag_stream` on the same texts: records a second, and the most memory each process ever had.

    python benchmarks/files.py [MODEL] [--texts FILE.jsonl...] [--count 300000] [--pairs 1] [--output out.jsonl]

MODEL gives tokenizer and labels of a BERT of 2 layers of 128 with random weights. Each figure is a process of its own;
`tag_stream` gets its texts out of the same JSON Lines, and its spans are counted and dropped.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
GOLD = HERE.parent / "tests" / "data" / "pii_synth_gold.jsonl"


def texts(path: str) -> Iterator[str]:
    """The text of each line."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def measure(how: str, model: str, source: str, output: str) -> None:
    """One run in this process; prints seconds, spans and MiB at the peak."""
    from vtag import LLM, tag_files

    with LLM(model) as llm:
        start = time.perf_counter()
        if how == "stream":
            spans = sum(map(len, llm.tag_stream(texts(source))))
        else:
            spans = sum(tag_files(llm, source, output).labels.values())
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "spans": spans, "peak": peak}))


def main() -> None:
    from vtag.demo import demo_model

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", nargs="?", default=str(demo_model()))
    parser.add_argument("--texts", nargs="+", type=Path, default=[GOLD], metavar="FILE.jsonl")
    parser.add_argument("--count", type=int, default=300_000)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--output", default="out.jsonl")
    arguments = parser.parse_args()
    sys.path.insert(0, str(HERE))
    from stream import random_weights, read

    with tempfile.TemporaryDirectory() as folder:
        model = random_weights(arguments.model, "tiny", f"{folder}/model")
        source = f"{folder}/in.jsonl"
        with open(source, "w", encoding="utf-8") as file:
            for number, text in enumerate(read(arguments.texts, arguments.count)):
                file.write(json.dumps({"id": number, "text": text}) + "\n")
        for pair in range(arguments.pairs):
            found = {}
            for how in ("stream", "files") if pair % 2 == 0 else ("files", "stream"):
                output = f"{folder}/{pair}-{arguments.output}"
                command = [sys.executable, __file__, "--measure", how, model, source, output]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                found[how] = json.loads(done.stdout.splitlines()[-1])
                row = found[how]
                print(
                    f"{how:7} {arguments.count / row['seconds']:8,.0f} records/s  {row['peak']:6,.0f} MiB at most  "
                    f"{row['spans']:,} spans",
                    flush=True,
                )
            rate = found["stream"]["seconds"] / found["files"]["seconds"]
            print(f"files/stream: rate {rate:.2f}, memory {found['files']['peak'] / found['stream']['peak']:.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:])
    else:
        main()
