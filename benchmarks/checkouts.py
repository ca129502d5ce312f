"""Two checkouts of vtag in turn, each run in a fresh process: what a text costs, and a block with one bad text in it.

    python benchmarks/checkouts.py OLD NEW [--model demo] [--shape tiny --shape minilm] [--runs 5]

OLD, NEW: folders of checkouts; both run with this Python and its packages. A shape has random weights, and the labels
and tokenizer of the model. A run is one pass to warm up, then three, of which the median counts: `LLM.tag_stream` over
the texts that `vtag bench` has, a number behind each. Then blocks of 2,048 texts by `LLM.tag_chunks`, without a
bad text and with one (half of a surrogate pair), in turn: the medians. Run nothing beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from statistics import median

# Those of `vtag bench`, whatever the checkouts call their file.
TEXTS = Path(__file__).parents[1] / "tests" / "data" / "pii_synth_gold.jsonl"
BLOCK, PASSES = 2048, 3
BAD = "half of a pair: \ud83d"


def run(model: str, count: int, blocks: int) -> dict[str, float]:
    """In a process of its own: µs a text of `tag_stream`; ms of a block without and with a bad text."""
    from vtag import LLM

    lines = TEXTS.read_text("utf-8").splitlines()
    texts = [f"{json.loads(line)['text']} {number}" for number, line in enumerate(islice(cycle(lines), count))]
    good = texts[:BLOCK]
    bad = [*good[: BLOCK // 3], BAD, *good[BLOCK // 3 + 1 :]]
    with LLM(model) as llm:

        def stream() -> float:
            begun = time.perf_counter()
            assert sum(1 for _ in llm.tag_stream(texts)) == count
            return (time.perf_counter() - begun) * 1e6 / count

        def block(given: list[str]) -> float:
            begun = time.perf_counter()
            ((answers, _),) = llm.tag_chunks([given])
            assert len(answers) == BLOCK
            return (time.perf_counter() - begun) * 1e3

        stream()
        found = {"µs a text": median(stream() for _ in range(PASSES))}
        pairs = [(block(good), block(bad)) for _ in range(blocks)]
        found["block ms"] = median(one for one, _ in pairs)
        found["with a bad text"] = median(other for _, other in pairs)
        return found


def in_turns(folders: dict[str, Path], model: str, runs: int, *asked: str) -> None:
    """Print each run, and the medians."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in folders}
    for number in range(runs):
        for name, folder in folders.items():
            environment = os.environ | {"PYTHONPATH": str(folder.resolve() / "src")}
            command = [sys.executable, __file__, "--one", model, *asked]
            said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
            found[name].append(json.loads(said.splitlines()[-1]))
            shown = ", ".join(f"{what} {value:.1f}" for what, value in found[name][-1].items())
            print(f"  run {number + 1} {name}: {shown}", flush=True)
    for what in found["old"][0]:
        old, new = ([one[what] for one in found[name]] for name in ("old", "new"))
        print(
            f"  {what}: old {median(old):.1f} ({min(old):.1f}-{max(old):.1f}), new {median(new):.1f}"
            f" ({min(new):.1f}-{max(new):.1f}): {median(new) / median(old):.3f} times",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="OLD NEW")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--shape", action="append", default=[])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--count", type=int, default=8192)
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--one", metavar="MODEL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run(arguments.one, arguments.count, arguments.blocks)))
        return
    from vtag.bench.models import random_weights

    folders = dict(zip(("old", "new"), arguments.folders, strict=True))
    for shape in arguments.shape or [None]:
        print(f"{shape or arguments.model}:", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            model = random_weights(arguments.model, shape, folder) if shape else arguments.model
            asked = ["--count", str(arguments.count), "--blocks", str(arguments.blocks)]
            in_turns(folders, model, arguments.runs, *asked)


if __name__ == "__main__":
    main()
