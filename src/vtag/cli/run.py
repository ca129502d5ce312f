"""`vtag run MODEL INPUT... -o OUTPUT`: files in, a file out; the same command continues a stopped run."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from vtag.cli import cluster, engine
from vtag.errors import INTERRUPTED

FAILURES = 6


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag run`."""
    new.add_argument("model", metavar="MODEL", help="a folder, a hub id, or demo")
    new.add_argument("input", metavar="INPUT", nargs="+", help="files, folders, globs, or - for stdin")
    new.add_argument("-o", "--output", metavar="OUTPUT", required=True, help="a file; its extension sets the format")
    new.add_argument(
        "--format", metavar="NAME", help="format of the inputs, if their extensions do not tell: see vtag formats"
    )
    new.add_argument(
        "--delimiter", metavar="CHARACTER", help="between the fields of CSV, if its first rows do not tell"
    )
    new.add_argument(
        "--text-field", metavar="NAME", default="text", help="field with the text (default: text), such as data.text"
    )
    new.add_argument("--words-field", metavar="NAME", help="field with words to tag instead of the text")
    new.add_argument("--spans-field", metavar="NAME", default="spans", help="field for the spans (default: spans)")
    new.add_argument(
        "--coverage-field",
        metavar="NAME",
        help="field for each text's tokens and windows, and that it was read to its end",
    )
    new.add_argument("--overwrite-field", action="store_true", help="replace the input's fields of these names")
    new.add_argument("--strict", action="store_true", help="stop at the first record that cannot be tagged")
    new.add_argument("--restart", action="store_true", help="discard an earlier run and its output, start over")
    new.add_argument("--quiet", action="store_true", help="neither progress nor summary")
    engine.add_tagging(new)
    new.add_argument("--scheme", metavar="NAME", help="tag scheme of the labels, if their names do not tell")
    new.add_argument(
        "--words-rule", metavar="NAME", help="how a word's tokens become a label: auto, first, mean, token"
    )
    new.add_argument("--revision", metavar="NAME", help="branch, tag or commit of a hub model")
    new.add_argument("--quantization", metavar="NAME", help="int8, or one of vLLM's methods")
    engine.add_options(new)
    cluster.add_options(new)
    return new


def run(args: argparse.Namespace) -> int:
    """Run, and print the summary."""
    options = engine.tagging(args)
    cluster.check(args)
    engine_arguments = engine.arguments(args) | {
        name: value
        for name in ("scheme", "words_rule", "revision", "quantization")
        if (value := getattr(args, name)) is not None
    }
    from vtag.cli.bar import Bar, summary
    from vtag.files.journal import State
    from vtag.files.run import tag_files

    def say(line: str) -> None:
        if not args.quiet:
            print(f"vtag: {line}", file=sys.stderr, flush=True)

    piped = "-" in (args.output, *args.input)
    bar = Bar(sys.stderr)

    def watch(state: State, share: float | None) -> None:
        if state.done:
            say("already finished, nothing to do (--restart starts over)")
            return
        if bar.state is None and piped:
            say("no journal with stdin or stdout: a stopped run cannot continue")
        elif bar.state is None and state.records:
            say(f"continues after {state.records:,} records")
        bar(state, share)

    try:
        with cluster.tagger(args, engine_arguments, say) as (model, arguments):
            state = tag_files(
                model,
                args.input,
                args.output,
                format=args.format,
                delimiter=args.delimiter,
                text_field=args.text_field,
                words_field=args.words_field,
                spans_field=args.spans_field,
                coverage_field=args.coverage_field,
                overwrite_field=args.overwrite_field,
                strict=args.strict,
                restart=args.restart,
                watch=None if args.quiet else watch,
                **asdict(options),
                **arguments,
            )
    except KeyboardInterrupt:
        bar.close()
        safe = f"interrupted after {bar.state.records if bar.state else 0:,} records"
        say(safe if piped else f"{safe}: the same command continues from there")
        return INTERRUPTED
    finally:
        bar.close()
    say(summary(state))
    return FAILURES if state.failures else 0
