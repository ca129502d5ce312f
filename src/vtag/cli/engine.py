"""What all commands with an engine share: options, starting the engine, and options of tagging."""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vtag.errors import error
from vtag.system.imports import gc_paused

if TYPE_CHECKING:
    from vtag.engine.llm import LLM
    from vtag.options import TagOptions
    from vtag.tagger import Tagger


def _labels(text: str) -> list[str]:
    return [label.strip() for label in text.split(",") if label.strip()]


# Options of `LLM.tag` -> their arguments of `add_argument`.
TAGGING: dict[str, dict[str, Any]] = {
    "aggregation_strategy": {"metavar": "NAME", "help": "viterbi (default), none, simple, first, average or max"},
    "threshold": {"metavar": "P", "type": float, "help": "leave out spans with a lower score"},
    "stride": {"metavar": "TOKENS", "type": int, "help": "tokens that windows of a long text share"},
    "ignore_labels": {"metavar": "A,B", "type": _labels, "help": "labels that make no span (default: O; '': none)"},
}


# Arguments of `LLM` -> their arguments of `add_argument`. All commands with an engine have the first one.
OF_MODEL: dict[str, dict[str, Any]] = {
    "dtype": {"metavar": "TYPE", "help": "float32, bfloat16 or float16 (default: suits the machine)"},
    "scheme": {"metavar": "NAME", "help": "tag scheme of the labels, if their names do not tell"},
    "words_rule": {"metavar": "NAME", "help": "how a word's tokens become a label: auto, first, mean, token"},
    "revision": {"metavar": "NAME", "help": "branch, tag or commit of a hub model"},
    "quantization": {"metavar": "NAME", "help": "int8, or one of vLLM's methods"},
}
Checked = TypeVar("Checked")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--dtype`, `--label-map` and `--engine`."""
    add_table(parser, {"dtype": OF_MODEL["dtype"]})
    parser.add_argument(
        "--label-map", metavar="FILE", help='TOML or JSON: other names of types (PER = "PERSON"); "" leaves one out'
    )
    parser.add_argument(
        "--engine",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="any other argument of vLLM's LLM, or model_config; the value as JSON or as a word; may be repeated",
    )


def add_tagging(parser: argparse.ArgumentParser) -> None:
    """Add the options of `LLM.tag`."""
    add_table(parser, TAGGING)


def add_table(parser: argparse.ArgumentParser, table: dict[str, dict[str, Any]], **more: Any) -> None:
    """Add the options of a table."""
    for name, how in table.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **how, **more)


def tagging(args: argparse.Namespace) -> TagOptions:
    """The options of `LLM.tag`; invalid ones are refused here, before anything is loaded."""
    from vtag.options import TagOptions

    asked = {name: getattr(args, name) for name in TAGGING}
    return TagOptions(**{name: value for name, value in asked.items() if value not in (None, "")})


def start(args: argparse.Namespace, check: Callable[[Tagger], Checked]) -> tuple[LLM, Checked]:
    """The engine for `args.model`, and what `check` makes of its tagger before the engine starts."""
    engine_arguments = arguments(args)
    check_model_path(args)
    with gc_paused():
        from vtag.model.plan import make_plan

        plan = make_plan(args.model, **engine_arguments)
        checked = check(plan.tagger)
        from vtag.engine.llm import LLM

        return LLM.of(plan), checked


def check_model_path(args: argparse.Namespace) -> None:
    """Refuse a mistyped path early, without waiting for vLLM's import."""
    from vtag.model.checkpoint import HUB_ID, locate

    if not HUB_ID.fullmatch(args.model):
        locate(args.model)


def arguments(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `LLM` besides the model."""
    found = pairs(args.engine)
    found |= {name: value for name in OF_MODEL if (value := getattr(args, name, None)) is not None}
    return found | ({"label_map": read_label_map(args.label_map)} if args.label_map else {})


def read_label_map(path: str) -> Any:
    """The content of a label map's file."""
    file = Path(path)
    try:
        text = file.read_text("utf-8")
        return tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except OSError as cause:
        raise error("label_map_unreadable", path=path, reason=cause.strerror or type(cause).__name__) from cause
    except (ValueError, RecursionError) as cause:
        raise error("label_map_broken", path=path, format="TOML" if file.suffix == ".toml" else "JSON") from cause


def pairs(items: list[str]) -> dict[str, Any]:
    """`["max_num_seqs=8", "revision=main"]` -> `{"max_num_seqs": 8, "revision": "main"}`."""
    arguments: dict[str, Any] = {}
    for pair in items:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise error("bad_pair", option="--engine")
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            arguments[name] = value
    return arguments
