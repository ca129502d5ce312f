"""What twice the text costs, for each hostile kind of text: seconds by stage, without an engine.

    python benchmarks/doubling.py [MODEL or FAMILY ...] [--characters 250000] [--kind NAME] [--strategy viterbi simple]

A family is one of the tests' tokenizers (wordpiece, byte_bpe, unigram). A text is a kind's unit repeated
(tests/hostile/hostile_kinds.jsonl) up to 1, 2 and 4 times `--characters`. "prepare" is tokens and windows, "finish"
logits, drawn at random, to spans. Each time is the least of some runs, each in a process of its own, which is stopped
after two minutes. Growth is that of the whole for twice the length; 2 is linear. Memory is what the process had at
most, less what it had before the text.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from vtag.options import STRATEGIES, TagOptions
from vtag.system.memory import keep_freed
from vtag.tagger import Tagger

ROOT = Path(__file__).parent.parent
KINDS = ROOT / "tests/hostile/hostile_kinds.jsonl"
LABELS = ["O", *(f"{prefix}-{kind}" for kind in ("PER", "LOC", "ORG", "MISC") for prefix in "BI")]
PATIENCE = 120  # seconds for one text


def main() -> None:
    """Print a row for each model, strategy and kind, and the worst of all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=["demo"])
    parser.add_argument("--characters", type=int, default=250_000)
    parser.add_argument("--kind", action="append")
    parser.add_argument("--strategy", nargs="*", default=["viterbi"], choices=STRATEGIES)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    kinds = [json.loads(line) for line in KINDS.read_text("ascii").splitlines()]
    lengths = [args.characters << doubling for doubling in range(3)]
    worst = 0.0
    print("| model | strategy | kind | characters | tokens | windows | prepare s | finish s | MiB | growth |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for model in args.models:
        tagger = tagger_of(model)
        for strategy in args.strategy:
            for kind in kinds:
                if args.kind and kind["name"] not in args.kind:
                    continue
                before = None
                for length in lengths:
                    runs = [measured(tagger, text_of(kind, length), strategy) for _ in range(args.runs)]
                    cells = [Path(model).name, strategy, kind["name"], f"{length:,}"]
                    if None in runs:
                        print(f"| {' | '.join(cells)} | stopped after {PATIENCE} s |", flush=True)
                        worst = np.inf
                        break
                    least = min(runs, key=lambda run: run["prepare"] + run["finish"])
                    whole = least["prepare"] + least["finish"]
                    growth = None if before is None else whole / before
                    worst = max(worst, growth or 0)
                    cells += [f"{least['tokens']:,}", f"{least['windows']:,}", f"{least['prepare']:.2f}"]
                    cells += [f"{least['finish']:.2f}", f"{least['memory']:.0f}", f"{growth:.2f}" if growth else ""]
                    print(f"| {' | '.join(cells)} |", flush=True)
                    before = whole
    print(f"\nworst growth: {worst:.2f}")


def text_of(kind: dict[str, str], length: int) -> str:
    """So many characters of a kind."""
    unit: str = kind["unit"]
    return (kind["prefix"] + unit * (length // len(unit) + 1))[:length]


def tagger_of(model: str) -> Tagger:
    """With the tokenizer of a model or a family, and nine labels of its own."""
    sys.path.append(str(ROOT))
    from transformers import AutoTokenizer

    from tests.conftest import FAMILIES
    from vtag.model.demo import demo_model

    if model in FAMILIES:
        tokenizer = FAMILIES[model]()
    else:
        tokenizer = AutoTokenizer.from_pretrained(demo_model() if model == "demo" else model)
    return Tagger(tokenizer, dict(enumerate(LABELS)), 512)


def measured(tagger: Tagger, text: str, strategy: str) -> dict[str, float] | None:
    """Of one text in a fork; None where it took too long."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_measure, args=(tagger, text, strategy, sender))
    process.start()
    sender.close()
    found: dict[str, float] | None = receiver.recv() if receiver.poll(PATIENCE) else None
    process.kill()
    process.join()
    return found


def _measure(tagger: Tagger, text: str, strategy: str, sender: Any) -> None:
    keep_freed()  # as in every process that tags
    options = tagger.bind(TagOptions(strategy))
    tagger.finish(batch := tagger.prepare(["warm up"], options), drawn(batch))
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    batch = tagger.prepare([text], options)
    prepared = time.perf_counter()
    logits = drawn(batch)
    tagging = time.perf_counter()
    tagger.finish(batch, logits)
    ended = time.perf_counter()
    sender.send(
        {
            "tokens": len(batch.encodings[0].ids),
            "windows": len(batch.windows),
            "prepare": prepared - began,
            "finish": ended - tagging,
            "memory": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) / 1024,
        }
    )


def drawn(batch: Any) -> list[np.ndarray]:
    """Logits of each window, at random: no label is ever sure."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal((len(window.ids), len(LABELS)), np.float32) for window in batch.windows]


if __name__ == "__main__":
    main()
