"""What redaction leaves of gold values, beside Presidio with the same model; and how fast it is beside `tag_files`.

    python benchmarks/redaction.py leak [MODEL] [--texts FILE.jsonl] [--seed 50]
    python benchmarks/redaction.py speed [MODEL] [--texts FILE.jsonl] [--count 20000] [--rounds 5] [--forget]

leak: the texts are split in halves by the seed. A threshold is chosen on one of them: the highest by which 95 % of its
gold spans are redacted whole. The table is of the other one. White space does not count. Presidio's AnalyzerEngine has
a blank spaCy pipeline and its own HuggingFaceNerRecognizer, which runs the model by Hugging Face's pipeline.
speed: the same file by `tag_files` and by `redact_files` with each action, in turns, by one engine; medians of the
ratios of a round. The texts have numbers behind them, so that all differ; their values come again and again, and
--forget measures as if each came once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from texts import Gold, gold_of
from texts import read as numbered

from vtag import LLM, redact_files, tag_files
from vtag.redact import text as redact_text

GOLD = Path(__file__).parent.parent / "tests" / "data" / "pii_synth_gold.jsonl"
WANTED = 0.95
GRID = [at / 100 for at in range(99, -1, -1)]
# What a lower one costs and gains.
LOWER = (0.1, 0.01)
ACTIONS = ("label", "hash", "token", "number", "mask", "fake")
os.environ.setdefault("VTAG_REDACT_KEY", "a key of the benchmark, and no secret")

# For each text the characters that were replaced.
Covered = list[set[int]]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["leak", "speed"])
    parser.add_argument("model", nargs="?", default="demo")
    parser.add_argument("--texts", type=Path, default=GOLD)
    parser.add_argument("--seed", type=int, default=50)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--forget", action="store_true")
    args = parser.parse_args()
    if args.what == "leak":
        leak(args.model, args.texts, args.seed)
    else:
        if args.forget:
            redact_text.REMEMBERED = 0
        speed(args.model, args.texts, args.count, args.rounds)


def leak(model: str, file: Path, seed: int) -> None:
    """A line for each tool and threshold."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    random.Random(seed).shuffle(rows)
    chosen, held = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    print("| | threshold | gold spans redacted whole | of their characters left | of other characters replaced |")
    print("|---|---|---|---|---|")
    with LLM(model, dtype="float32") as llm:

        def vtag(rows: Sequence[Any], threshold: float | None) -> Covered:
            policy = {} if threshold is None else {"threshold": threshold}
            made = llm.redact([row["text"] for row in rows], policy=policy, use_tqdm=False)
            return [{at for r in of.replacements for at in range(r.old_start, r.old_end)} for of in made]

        row("vtag, the spans of `tag`", None, held, vtag(held, None))
        for threshold in (chosen_threshold(chosen, vtag), *LOWER):
            if threshold is not None:
                row("vtag", threshold, held, vtag(held, threshold))
        folder = str(llm.plan.checkpoint.folder)
        types = llm.tagger.names.of_spans
    tool = presidio(folder, types)
    row("Presidio, its default", 0.3, held, tool(held, 0.3))
    threshold = chosen_threshold(chosen, tool)
    name = "Presidio" if threshold is not None else f"Presidio: none finds {WANTED:.0%}"
    row(name, threshold or 0.0, held, tool(held, threshold or 0.0))


def chosen_threshold(rows: Sequence[Any], tool: Callable[[Sequence[Any], Any], Covered]) -> float | None:
    """The highest threshold that finds enough; None if there is none. Lower ones find no less."""
    first = bisect_left(GRID, True, key=lambda at: counts(rows, tool(rows, at))[0] >= WANTED)
    return GRID[first] if first < len(GRID) else None


def presidio(folder: str, types: Sequence[str]) -> Callable[[Sequence[Any], float], Covered]:
    """Presidio's analyzer and anonymizer, at a threshold of its recognizer."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, RecognizerResult
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import HuggingFaceNerRecognizer
    from presidio_anonymizer import AnonymizerEngine, OperatorConfig

    class Blank(SpacyNlpEngine):
        """A spaCy pipeline that splits words, and no more."""

        def __init__(self) -> None:
            super().__init__([{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": spacy.blank("en")}

    names = {kind: kind for kind in types}
    recognizer = HuggingFaceNerRecognizer(
        supported_entities=[*types], model_name=folder, label_mapping=names, threshold=0.0, device="cpu"
    )
    analyzer = AnalyzerEngine(registry=RecognizerRegistry([recognizer]), nlp_engine=Blank())
    anonymizer = AnonymizerEngine()
    # Of the same length, so that what was replaced shows at its own place.
    marked = {"DEFAULT": OperatorConfig("custom", {"lambda": lambda value: "\ue000" * len(value)})}

    @cache
    def analyzed(text: str) -> list[RecognizerResult]:
        return analyzer.analyze(text, language="en", score_threshold=0.0)

    def redact(rows: Sequence[Any], threshold: float) -> Covered:
        found: Covered = []
        for each in rows:
            # As its recognizer would leave them out.
            results = [result for result in analyzed(each["text"]) if result.score >= threshold]
            made = anonymizer.anonymize(each["text"], results, marked).text
            assert len(made) == len(each["text"])
            found.append({at for at, sign in enumerate(made) if sign == "\ue000"})
        return found

    return redact


def counts(rows: Sequence[Any], covered: Covered) -> tuple[float, float, float]:
    """The shares of gold spans redacted whole, of their characters left, and of other characters replaced."""
    spans = whole = characters = left = others = replaced = 0
    for each, hidden in zip(rows, covered, strict=True):
        text: str = each["text"]
        gold: Gold = gold_of(each)
        values = [visible(text, range(start, end)) for start, end, _ in gold]
        spans += len(values)
        whole += sum(value <= hidden for value in values)
        characters += sum(map(len, values))
        left += sum(len(value - hidden) for value in values)
        besides = visible(text, range(len(text))).difference(*values)
        others += len(besides)
        replaced += len(besides & hidden)
    return whole / spans, left / characters, replaced / others


def visible(text: str, places: Iterable[int]) -> set[int]:
    """Those places that have no white space."""
    return {at for at in places if not text[at].isspace()}


def row(name: str, threshold: float | None, rows: Sequence[Any], covered: Covered) -> None:
    """A line of the table."""
    whole, left, replaced = counts(rows, covered)
    print(
        f"| {name} | {threshold if threshold is not None else ''} | {whole:.1%} | {left:.2%} | {replaced:.1%} |",
        flush=True,
    )


def speed(model: str, file: Path, count: int, rounds: int) -> None:
    """A line for each action."""
    with tempfile.TemporaryDirectory() as place, LLM(model) as llm:
        source, output = Path(place, "in.jsonl"), Path(place, "out.jsonl")
        with source.open("w", encoding="utf-8") as lines:
            for text in numbered([file], count):
                lines.write(json.dumps({"text": text}) + "\n")

        def seconds(action: str | None) -> float:
            begun = time.perf_counter()
            if action is None:
                tag_files(llm, source, output, restart=True)
            else:
                redact_files(llm, source, output, policy={"default": action}, restart=True)
            return time.perf_counter() - begun

        seconds(None)
        took: dict[str | None, list[float]] = {action: [] for action in (None, *ACTIONS)}
        for _ in range(rounds):
            for action, so_far in took.items():
                so_far.append(seconds(action))
        print(f"{llm!r}, {count:,} texts, {rounds} rounds")
        print("| | texts/s | of `tag_files` |")
        print("|---|---|---|")
        for action, so_far in took.items():
            share = median(run / each for run, each in zip(took[None], so_far, strict=True))
            print(f"| {action or '`tag_files`'} | {count / median(so_far):,.0f} | {share:.2f} |")


if __name__ == "__main__":
    main()
