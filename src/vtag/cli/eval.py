"""`vtag eval MODEL GOLD...`: how good spans are; `vtag eval A B --gold GOLD`: which of two systems is better."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from vtag.cli import engine
from vtag.errors import error

if TYPE_CHECKING:
    from vtag.evaluation.candidates import Candidate
    from vtag.evaluation.report import Report

# The exit code if a figure is below what --min-f1 or --min-recall want.
BELOW = 1
# Options that are fields of `How`.
OF_HOW = ("predictions_field", "input", "strict", "format", "recall", "seed", "show_text", "errors", "html")
FIELDS = {
    "text_field": {"default": "text", "help": "field with the text (default: text)"},
    "words_field": {"default": "tokens", "help": "field with the words, where there are tags (default: tokens)"},
    "tags_field": {"default": "tags", "help": "field with the tags of words (default: tags)"},
    "spans_field": {"default": "spans", "help": "field with the spans (default: spans)"},
    "predictions_field": {"default": "spans", "help": "field with the spans of --predictions (default: spans)"},
}


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag eval`."""
    new.usage = "vtag eval MODEL GOLD... | vtag eval A [B] --gold GOLD... | vtag eval --predictions FILE GOLD..."
    new.epilog = "To compare, give an option of the model twice: the first value is that of A, the second that of B."
    new.add_argument("names", metavar="NAME", nargs="*", help="a model and files with gold spans or tags, as above")
    new.add_argument("--gold", metavar="GOLD", nargs="+", action="extend", help="the gold, where two systems are named")
    new.add_argument(
        "--predictions",
        metavar="FILE",
        action="append",
        default=[],
        help="spans found before, as vtag run writes them, in place of a model",
    )
    new.add_argument(
        "--input",
        choices=("words", "text"),
        help="what is tagged of gold with tags: its words (default), or the text that they are from",
    )
    engine.add_table(new, FIELDS, metavar="NAME")
    new.add_argument("--format", metavar="NAME", help="format of the gold, if its extension does not tell")
    new.add_argument(
        "--label-map",
        metavar="FILE",
        help='TOML or JSON: other names of labels, of gold and model alike (person = "PER"); "" leaves one out',
    )
    new.add_argument(
        "--strict",
        metavar="SCHEME",
        help="read tags strictly, as seqeval's mode strict: IOB1, IOB2, IOE1, IOE2, IOBES or BILOU",
    )
    new.add_argument(
        "--first-subword",
        action="store_true",
        help="words get the label of their first sub-word, read as by seqeval: what training scripts report",
    )
    engine.add_table(new, engine.TAGGING, action="append")
    engine.add_table(new, engine.OF_MODEL, action="append")
    new.add_argument(
        "--engine", metavar="NAME=VALUE", action="append", default=[], help="any other argument of vLLM's LLM"
    )
    shape = new.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="the report as JSON")
    shape.add_argument("--model-card", action="store_true", help="the figures as model-index, the YAML of model cards")
    new.add_argument("--html", metavar="FILE", help="write the report as a page, gold beside found")
    new.add_argument("--errors", metavar="FILE", help="write each error, or where two systems differ, as JSON Lines")
    new.add_argument("--show-text", action="store_true", help="show texts in the report, the page and the errors")
    new.add_argument(
        "--recall", metavar="R", type=float, default=0.95, help="name the threshold for this recall (default: 0.95)"
    )
    new.add_argument("--seed", metavar="N", type=int, default=0, help="of the bootstrap (default: 0)")
    new.add_argument("--min-f1", metavar="F", type=float, help=f"exit with {BELOW} if micro F1 is lower")
    new.add_argument(
        "--min-recall",
        metavar="LABEL=R",
        action="append",
        default=[],
        help=f"exit with {BELOW} if the recall of a label is lower; may be repeated",
    )
    return new


def run(args: argparse.Namespace) -> int:
    """Evaluate, print, and compare with what was wanted."""
    floors = _floors(args)
    from vtag.evaluation.gold_record import Columns
    from vtag.evaluation.how import How
    from vtag.evaluation.run import compared
    from vtag.evaluation.run import run as evaluated

    candidates, gold = _candidates(args)
    how = How(
        columns=Columns(args.text_field, args.words_field, args.tags_field, args.spans_field),
        label_map=engine.read_label_map(args.label_map) if args.label_map else None,
        labels=[label for label, _ in floors if label is not None],
        **{name: getattr(args, name) for name in OF_HOW},
    )
    found: Any
    if len(candidates) == 2:
        if args.model_card or args.html:
            raise error("one_system", option="--model-card" if args.model_card else "--html")
        found = compared(candidates, gold, how)
        last = found.b
    else:
        (found,), _ = evaluated(candidates, gold, how)
        last = found
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    if args.model_card:
        from vtag.evaluation.model_card import model_card

        print(model_card(found), end="")
    else:
        print(json.dumps(found.to_dict(), ensure_ascii=False, indent=2) if args.json else found)
    return _below(last, floors)


def _candidates(args: argparse.Namespace) -> tuple[list[Candidate], list[str]]:
    """The systems, and the files of gold."""
    from vtag.evaluation.candidates import Candidate

    models, gold = list(args.names), args.gold
    if gold is None:
        models, gold = ([], models) if args.predictions else (models[:1], models[1:])
    tables = (*engine.TAGGING, *engine.OF_MODEL)
    if len(models) == 1 and not args.predictions and any(len(getattr(args, name) or ()) == 2 for name in tables):
        models *= 2
    count = len(models) + len(args.predictions)
    if not gold or count not in (1, 2) or any(len(getattr(args, name) or ()) > count for name in tables):
        raise error("systems")

    def given(names: Any, at: int) -> dict[str, Any]:
        lists = {name: getattr(args, name) for name in names}
        values = {name: values[min(at, len(values) - 1)] for name, values in lists.items() if values}
        return {name: value for name, value in values.items() if value not in ("",)}

    candidates = []
    for at, model in enumerate(models):
        of_engine = engine.pairs(args.engine) | given(engine.OF_MODEL, at)
        one = Candidate(model, first_subword=args.first_subword, engine=of_engine, **given(engine.TAGGING, at))
        candidates.append(one)
        _ = one.options  # refused before anything is loaded
    return [*candidates, *(Candidate(predictions=path) for path in args.predictions)], gold


def _floors(args: argparse.Namespace) -> list[tuple[str | None, float]]:
    """The least recall of labels, and the least F1 (None)."""
    floors: list[tuple[str | None, float]] = []
    for item in args.min_recall:
        label, _, value = item.rpartition("=")
        try:
            floors.append((label, float(value)))
        except ValueError:
            floors.append(("", 0))
        if not floors[-1][0] or not 0 <= floors[-1][1] <= 1:
            raise error("bad_recall", option="--min-recall", example="PER=0.9")
    for option in ("min_f1", "recall"):
        if (value := getattr(args, option)) is not None and not 0 <= value <= 1:
            raise error("bad_recall", option=f"--{option.replace('_', '-')}", example="0.9")
    return floors if args.min_f1 is None else [*floors, (None, args.min_f1)]


def _below(report: Report, floors: list[tuple[str | None, float]]) -> int:
    """The exit code; says which figures are too low."""
    code = 0
    for label, least in floors:
        if label is None:
            name, value = "micro F1", report.overall.f1
        else:
            name, value = f"recall of {label}", report.labels[label].recall
        if value < least:
            print(f"vtag: {name} is {value:.4f}, below {least:g}", file=sys.stderr)
            code = BELOW
    return code
