"""What bfloat16 and int8 lose against float32: exact-span F1 of models on all gold data whose labels they know.

    python benchmarks/f1.py MODEL... --texts FILE.jsonl...

A file has one JSON object a line: `text` with `spans`, as benchmarks/strategies.py reads them, or `tokens` with `tags`
(IOB2, or one plain tag per token), which are tagged as words. Gold spans of labels that a model lacks are left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import mean
from typing import Any

from texts import Gold, gold_of

from vtag import LLM
from vtag.bench.measure import PRECISIONS
from vtag.evaluation.exact import exact

# WNUT 17's names for what others call by these.
SAME = {"person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG"}


def main() -> None:
    """Print a line for each model and file, and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--texts", nargs="+", type=Path, required=True, metavar="FILE.jsonl")
    args = parser.parse_args()
    data = {file.stem: read(file) for file in args.texts}
    lost: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    print(
        "| model | data | gold spans |", *(f"{precision} |" for precision in PRECISIONS), "lost by bfloat16 | by int8 |"
    )
    for model in args.models:
        scores = {precision: score(model, data, settings) for precision, settings in PRECISIONS.items()}
        for name, (spans, best) in scores["float32"].items():
            of = {precision: found[name][1] for precision, found in scores.items()}
            for precision, f1 in of.items():
                lost[precision].append(100 * (best - f1))
            cells = [f"{100 * f1:.2f}" for f1 in of.values()] + [
                f"{lost[name][-1]:+.2f}" for name in ("bfloat16", "int8")
            ]
            print(f"| {Path(model).name} | {name} | {spans} |", " | ".join(cells), "|", flush=True)
    for precision, points in lost.items():
        print(f"{precision}: {mean(points):+.3f} points lost in the mean of {len(points)}, {max(points):+.2f} at most")


def read(file: Path) -> list[tuple[str | list[str], Gold]]:
    """Texts, or lists of words, with their gold spans."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    gold = [[(start, end, SAME.get(label, label)) for start, end, label in gold_of(row)] for row in rows]
    return [(row.get("text") or row["tokens"], spans) for row, spans in zip(rows, gold, strict=True)]


def score(model: str, data: dict[str, Any], settings: dict[str, str]) -> dict[str, tuple[int, float]]:
    """For each file with labels of the model's: how many gold spans there are, and F1."""
    found = {}
    with LLM(model, **settings) as llm:  # type: ignore[arg-type]
        known = set(llm.tagger.labels)
        for name, rows in data.items():
            gold = [[span for span in spans if span[2] in known] for _, spans in rows]
            spans = sum(map(len, gold))
            if not spans:
                continue
            given = {"texts" if isinstance(rows[0][0], str) else "words": [text for text, _ in rows]}
            tagged = llm.tag(**given, use_tqdm=False)  # type: ignore[arg-type]
            found[name] = spans, exact(gold, [[span.to_tuple() for span in of_text] for of_text in tagged]).f1
    return found


if __name__ == "__main__":
    main()
