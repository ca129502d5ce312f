"""What every command with an engine shares: its options, and how it is started."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from vtag.errors import error

if TYPE_CHECKING:
    from vtag.engine.offline import LLM


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


def start(args: argparse.Namespace) -> LLM:
    """The engine for `args.model`."""
    given = engine_arguments(args.engine) | ({"dtype": args.dtype} if args.dtype else {})
    from vtag.engine.checkpoint import HUB_ID, locate

    if not HUB_ID.fullmatch(args.model):
        locate(args.model)  # a mistyped path need not wait for vLLM's import
    from vtag.engine.offline import LLM

    return LLM(model=args.model, **given)


def engine_arguments(pairs: list[str]) -> dict[str, Any]:
    """`["max_num_seqs=8", "revision=main"]` -> `{"max_num_seqs": 8, "revision": "main"}`."""
    arguments: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise error("bad_pair", option="--engine")
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            arguments[name] = value
    return arguments
