"""What every command with an engine shares: its options, how it is started, and how texts are tagged."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from vtag.errors import error
from vtag.imports import no_garbage

if TYPE_CHECKING:
    from vtag.engine.offline import LLM
    from vtag.options import Options


STRATEGIES = "viterbi (default), none, simple, first, average or max"


def add_options(parser: argparse.ArgumentParser) -> None:
    """`--dtype` and `--engine`."""
    parser.add_argument(
        "--dtype", metavar="TYPE", help="float32, bfloat16 or float16 (default: what suits the machine)"
    )
    parser.add_argument(
        "--engine",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="any other argument of vLLM's LLM, or model_config; the value as JSON or as a word; may be repeated",
    )


def add_tagging(parser: argparse.ArgumentParser) -> None:
    """What `LLM.tag` takes."""
    parser.add_argument("--aggregation-strategy", metavar="NAME", help=STRATEGIES)
    parser.add_argument("--threshold", metavar="P", type=float, help="leave out spans with a lower score")
    parser.add_argument("--stride", metavar="TOKENS", type=int, help="tokens that windows of a long text share")
    parser.add_argument(
        "--ignore-labels", metavar="A,B", default="O", help="labels that make no span (default: O; '': none)"
    )


def tagging(args: argparse.Namespace) -> Options:
    """The options of `LLM.tag`; refused here if they suit no model, before anything is loaded."""
    from vtag.options import DEFAULT_STRATEGY, checked

    return checked(
        aggregation_strategy=args.aggregation_strategy or DEFAULT_STRATEGY,
        ignore_labels=[label.strip() for label in args.ignore_labels.split(",") if label.strip()],
        threshold=args.threshold,
        stride=args.stride,
    )


def start(args: argparse.Namespace, options: Options) -> tuple[LLM, Options]:
    """The engine for `args.model`, and the options as this model takes them."""
    given = arguments(args)
    look(args)
    with no_garbage():
        from vtag.engine.plan import plan

        made = plan(args.model, **given)
        options = made.tagger.options(**options)
        from vtag.engine.offline import LLM

        return LLM.of(made), options


def look(args: argparse.Namespace) -> None:
    """Refuse a mistyped path now: it need not wait for vLLM's import."""
    from vtag.engine.checkpoint import HUB_ID, locate

    if not HUB_ID.fullmatch(args.model):
        locate(args.model)


def arguments(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `LLM` besides the model."""
    return pairs(args.engine) | ({"dtype": args.dtype} if args.dtype else {})


def pairs(given: list[str]) -> dict[str, Any]:
    """`["max_num_seqs=8", "revision=main"]` -> `{"max_num_seqs": 8, "revision": "main"}`."""
    arguments: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise error("bad_pair", option="--engine")
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            arguments[name] = value
    return arguments
