"""What evaluating costs: time beside a file run, memory on many predictions, and figures of models on gold data.

python benchmarks/evaluation.py speed MODEL GOLD [--rounds 5]
python benchmarks/evaluation.py memory [--records 300000]
python benchmarks/evaluation.py figures MODEL:GOLD...
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import vtag


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    speed_of = commands.add_parser("speed")
    speed_of.add_argument("model")
    speed_of.add_argument("gold")
    speed_of.add_argument("--rounds", type=int, default=5)
    speed_of.add_argument("--words", action="store_true", help="the gold has tags")
    memory_of = commands.add_parser("memory")
    memory_of.add_argument("--records", type=int, default=300_000)
    page_of = commands.add_parser("page")
    page_of.add_argument("--records", type=int, default=1_000)
    figures_of = commands.add_parser("figures")
    figures_of.add_argument("pairs", nargs="+", metavar="MODEL:GOLD")
    args = parser.parse_args()
    if args.command == "speed":
        speed(args.model, args.gold, args.rounds, words=args.words)
    elif args.command == "memory":
        memory(args.records)
    elif args.command == "page":
        page(args.records)
    else:
        figures(args.pairs)


def speed(model: str, gold: str, rounds: int, *, words: bool) -> None:
    """Seconds of `tag_files` and of `evaluate` on one file, in turns, by one engine that has started."""
    times: dict[str, list[float]] = {"run": [], "eval": []}
    fields = {"words_field": "tokens"} if words else {}
    with vtag.LLM(model) as llm, tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds + 1):
            begun = time.perf_counter()
            vtag.tag_files(llm, gold, f"{folder}/out.jsonl", spans_field="found", restart=True, **fields)
            times["run"].append(time.perf_counter() - begun)
            begun = time.perf_counter()
            vtag.evaluate(llm, gold)
            times["eval"].append(time.perf_counter() - begun)
    # The first round warms up. The machine's speed drifts: the ratio is the median of those of a round.
    run, evaluated = (statistics.median(values[1:]) for values in times.values())
    ratio = statistics.median(one / other for one, other in zip(times["eval"][1:], times["run"][1:], strict=True))
    print(f"{Path(model).name}, {Path(gold).name}: run {run:.3f} s, eval {evaluated:.3f} s, {ratio:.3f}")


def memory(records: int) -> None:
    """The most memory of `vtag eval --predictions` on so many records of 2.8 spans, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        gold, found = Path(folder, "gold.jsonl"), Path(folder, "found.jsonl")
        for count in (1, records):
            write(gold, found, count)
            command = [sys.executable, "-m", "vtag", "eval", "--predictions", found, gold, "--json"]
            begun = time.perf_counter()
            pid = subprocess.Popen(command, stdout=subprocess.DEVNULL).pid
            _, status, usage = os.wait4(pid, 0)
            took = time.perf_counter() - begun
            assert status == 0
            print(f"{count:,} records: {usage.ru_maxrss / 1024:.1f} MiB, {took:.1f} s")
    print(f"bound: {64 + records * 100 / 2**20:.1f} MiB")


def write(gold: Path, found: Path, records: int) -> None:
    """Gold, and predictions with a third of the spans moved or named otherwise."""
    chance = random.Random(0)
    labels = ["PER", "ORG", "LOC", "EMAIL", "PHONE"]
    with gold.open("w") as wanted, found.open("w") as guessed:
        for number in range(records):
            text = f"Record {number}: Ann Smith of Acme wrote to bob@example.com from Paris."
            starts = sorted(chance.sample(range(8, len(text) - 10, 12), k=chance.randint(2, 4)))
            spans = [[start, start + 6, chance.choice(labels)] for start in starts]
            other = [
                {
                    "start": start + chance.choice((0, 0, 0, 0, 1)),
                    "end": end,
                    "label": label if chance.random() < 0.8 else "PER",
                }
                for start, end, label in spans
            ]
            scored = [{**span, "score": chance.random()} for span in other]
            wanted.write(json.dumps({"text": text, "spans": spans}) + "\n")
            guessed.write(json.dumps({"text": text, "spans": scored}) + "\n")


def page(records: int) -> None:
    """The time of the first paint, by the browser's own clock; the median of five."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        gold, found, written = (Path(folder, name) for name in ("gold.jsonl", "found.jsonl", "page.html"))
        write(gold, found, records)
        vtag.evaluate(None, gold, predictions=found, html=written, show_text=True)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        times = []
        for _ in range(5):
            shown = browser.new_page()
            shown.goto(written.as_uri())
            shown.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
            times.append(shown.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            shown.close()
        browser.close()
        print(f"{records:,} records, {written.stat().st_size / 1e6:.1f} MB: {statistics.median(times):.0f} ms")


def figures(pairs: list[str]) -> None:
    """A line of Markdown for each model and file, by `vtag eval --json`."""
    print("| model | data | input | F1 | 95 % | precision | recall | leaked | accuracy |")
    for pair in pairs:
        model, gold, *more = pair.split(":")
        command = [sys.executable, "-m", "vtag", "eval", model, gold, "--dtype", "float32", "--json", *more]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        overall, interval = found["overall"], found["interval"]
        accuracy = f"{found['accuracy']['accuracy']:.4f}" if found["accuracy"] else ""
        cells = [Path(model).name, Path(gold).stem, found["data"]["input"], f"{overall['f1']:.4f}"]
        cells += [f"{interval['low']:.3f} to {interval['high']:.3f}", f"{overall['precision']:.4f}"]
        cells += [f"{overall['recall']:.4f}", f"{found['characters']['leak_rate']:.4f}", accuracy]
        print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
