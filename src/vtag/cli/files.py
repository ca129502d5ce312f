"""What commands that read and write files share: their options, progress, Ctrl-C and the summary."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vtag.cli import cluster, engine
from vtag.errors import INTERRUPTED, error

if TYPE_CHECKING:
    from vtag.files.journal import State

FAILURES = 6
# Options of every such command -> keywords of its function.
OPTIONS = ("format", "delimiter", "text_field", "restart")
# Of those with a model.
MODEL_OPTIONS = ("coverage_field", "overwrite_field", "strict")


def add_options(new: argparse.ArgumentParser) -> None:
    """Add the options of every command with files."""
    new.add_argument(
        "--format", metavar="NAME", help="format of the inputs, if their extensions do not tell: see vtag formats"
    )
    new.add_argument(
        "--delimiter", metavar="CHARACTER", help="between the fields of CSV, if its first rows do not tell"
    )
    new.add_argument(
        "--text-field", metavar="NAME", default="text", help="field with the text (default: text), such as data.text"
    )
    new.add_argument("--restart", action="store_true", help="discard an earlier run and its output, start over")
    new.add_argument("--quiet", action="store_true", help="neither progress nor summary")


def add_model_options(new: argparse.ArgumentParser) -> None:
    """Add the options of those with a model."""
    new.add_argument(
        "--coverage-field",
        metavar="NAME",
        help="field for each text's tokens and windows, and that it was read to its end",
    )
    new.add_argument("--overwrite-field", action="store_true", help="replace the input's fields of these names")
    new.add_argument("--strict", action="store_true", help="stop at the first record that cannot be tagged")
    engine.add_table(new, {name: how for name, how in engine.OF_MODEL.items() if name != "dtype"})
    engine.add_options(new)
    cluster.add_options(new)


def check_lines(args: argparse.Namespace, names: Sequence[str]) -> None:
    """Refuse options of files, and these, where lines of stdin are read."""
    for name in (*OPTIONS, *names):
        if getattr(args, name) not in (None, False) and (name, getattr(args, name)) != ("text_field", "text"):
            raise error("redact_lines", what=f"--{name.replace('_', '-')}")


def tagged(args: argparse.Namespace, work: Callable[..., State], **options: Any) -> int:
    """`work(model, input, output, ...)`, on Ray where that is asked for."""
    cluster.check(args)
    engine_arguments = engine.arguments(args)

    def run(**more: Any) -> State:
        with cluster.tagger(args, engine_arguments, lambda line: say(args, line)) as (model, arguments):
            of_model = {name: getattr(args, name) for name in MODEL_OPTIONS}
            return work(model, args.input, args.output, **of_model, **options, **more, **arguments)

    return watched(args, run)


def watched(args: argparse.Namespace, work: Callable[..., State]) -> int:
    """`work`, with progress, and the summary at its end."""
    from vtag.cli.bar import Bar, summary

    piped = "-" in (args.output, *args.input)
    bar = Bar(sys.stderr)

    def watch(state: State, share: float | None) -> None:
        if state.done:
            say(args, "already finished, nothing to do (--restart starts over)")
            return
        if bar.state is None and piped:
            say(args, "no journal with stdin or stdout: a stopped run cannot continue")
        elif bar.state is None and state.records:
            say(args, f"continues after {state.records:,} records")
        bar(state, share)

    try:
        state = work(watch=None if args.quiet else watch, **{name: getattr(args, name) for name in OPTIONS})
    except KeyboardInterrupt:
        bar.close()
        safe = f"interrupted after {bar.state.records if bar.state else 0:,} records"
        say(args, safe if piped else f"{safe}: the same command continues from there")
        return INTERRUPTED
    finally:
        bar.close()
    say(args, summary(state))
    return FAILURES if state.failures else 0


def say(args: argparse.Namespace, line: str) -> None:
    """A line to stderr, unless --quiet."""
    if not args.quiet:
        print(f"vtag: {line}", file=sys.stderr, flush=True)
