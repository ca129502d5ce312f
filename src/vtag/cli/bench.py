"""`vtag bench MODEL`: speed of a model on this machine, text in and spans out."""

from __future__ import annotations

import argparse
import json
import sys
from statistics import median

from vtag.bench.measure import ROUNDS, Report, Result, bench
from vtag.bench.models import SHAPES
from vtag.cli.engine import check_model_path


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag bench`."""
    new.add_argument("model", metavar="MODEL", help="a folder, a hub id, or 'demo'")
    new.add_argument(
        "--texts", metavar="FILE", help="texts to run, in a format of vtag run (default: 495 texts of vtag's own)"
    )
    new.add_argument(
        "--shape",
        choices=SHAPES,
        help="a BERT of this shape with random weights, and the tokenizer and labels of MODEL",
    )
    new.add_argument(
        "--rounds", type=int, default=ROUNDS, metavar="N", help=f"rounds of each precision (default: {ROUNDS})"
    )
    new.add_argument("--json", action="store_true", help="one JSON object, with every round")
    return new


def run(args: argparse.Namespace) -> int:
    """Print one line per precision."""
    check_model_path(args)

    def watch(doing: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{doing}", end="", file=sys.stderr, flush=True)

    try:
        report = bench(args.model, args.texts, shape=args.shape, rounds=args.rounds, watch=watch)
    finally:
        watch("")
    print(json.dumps(report.to_dict()) if args.json else shown(report))
    return 0


HEAD = (
    f"{'':10}{'texts/s':>10}{'  slowest-fastest':19}{'tokens/s':>9}{'of peak':>9}{'GFLOP/s':>9}{'labels':>10}"
    f"{'MiB':>7}{'start':>8}"
)
NOTES = """
texts/s: from text to spans, medians of rounds that take turns
of peak: how much of that time the model's matrix products take alone, at their best; GFLOP/s: their speed then
labels: tokens with the label they have in float32; MiB: the most memory held; start: until it takes texts"""


def shown(report: Report) -> str:
    """The report as a table."""
    what = report.model if report.shape is None else f"{report.shape} (random weights, tokenizer of {report.model})"
    about = f"{what}: {report.texts:,} texts, {report.tokens:,} tokens; {report.processor}, {report.cores} cores"
    return "\n".join([about, "", HEAD, *(line(report, result) for result in report.results), NOTES])


def line(report: Report, result: Result) -> str:
    """The line of one precision."""
    if result.refused is not None:
        return f"{result.precision:10}{result.refused}"
    speed = report.speed(result)
    spread = f"{speed['least']:,.0f}-{speed['most']:,.0f}"
    tokens = speed["median"] * report.tokens / report.texts
    share = f"{median(result.share):.0%}" if result.share else "-"
    peak = f"{median(result.peak) / 1e9:,.0f}" if result.peak else "-"
    equal = "-" if result.equal is None else f"{result.equal:.3%}"
    return (
        f"{result.precision:10}{speed['median']:10,.0f}  {spread:17}{tokens:9,.0f}{share:>9}{peak:>9}{equal:>10}"
        f"{result.memory >> 20:7,}{result.start:6.1f} s"
    )
