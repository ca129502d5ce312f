"""`vtag run MODEL INPUT... -o OUTPUT`: files in, a file out; a run that was stopped goes on with the same command."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vtag.cli import engine
from vtag.errors import error

if TYPE_CHECKING:
    from vtag.integrations.ray.cluster import Cluster

FAILURES = 6
INTERRUPTED = 130
OPTIONS = {
    "address": "--ray-address",
    "workers": "--workers",
    "cpus": "--cpus-per-worker",
    "gpus": "--gpus-per-worker",
}


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag run`."""
    new.add_argument("model", metavar="MODEL", help="a folder, a hub id, or demo")
    new.add_argument("input", metavar="INPUT", nargs="+", help="files, folders, globs, or - for stdin")
    new.add_argument("-o", "--output", metavar="OUTPUT", required=True, help="a file; its extension tells the format")
    new.add_argument("--format", metavar="NAME", help="format of the inputs, if not told by extension: vtag formats")
    new.add_argument("--text-field", metavar="NAME", default="text", help="field with the text (default: text)")
    new.add_argument("--words-field", metavar="NAME", help="field with words to tag instead of the text")
    new.add_argument("--spans-field", metavar="NAME", default="spans", help="field for the spans (default: spans)")
    new.add_argument("--overwrite-field", action="store_true", help="replace the spans that the input has")
    new.add_argument("--strict", action="store_true", help="stop at the first record that cannot be tagged")
    new.add_argument("--restart", action="store_true", help="forget an earlier run and its output, begin anew")
    new.add_argument("--quiet", action="store_true", help="neither progress nor summary")
    engine.add_tagging(new)
    new.add_argument("--stride", metavar="TOKENS", type=int, help="tokens that windows of a long text share")
    new.add_argument("--scheme", metavar="NAME", help="tag scheme of the labels, if their names do not tell")
    new.add_argument(
        "--words-rule", metavar="NAME", help="how a word's tokens become a label: auto, first, mean, token"
    )
    new.add_argument("--revision", metavar="NAME", help="branch, tag or commit of a hub model")
    new.add_argument("--quantization", metavar="NAME", help="int8, or a method of vLLM's")
    engine.add_options(new)
    ray = new.add_argument_group("many machines")
    ray.add_argument("--ray", action="store_true", help="tag on a Ray cluster; without an address, on a Ray of its own")
    ray.add_argument("--ray-address", metavar="ADDRESS", help="auto, or HOST:PORT (default: RAY_ADDRESS)")
    ray.add_argument("--workers", metavar="MIN:MAX", help="fewest and most (default: 1 to as many as find room)")
    ray.add_argument("--cpus-per-worker", metavar="N", type=int, help="default: 1")
    ray.add_argument("--gpus-per-worker", metavar="N", type=int, help="default: 1 where the cluster has GPUs, else 0")
    return new


def run(args: argparse.Namespace) -> int:
    """Run, and say what it came to."""
    options = engine.tagging(args)
    given = {
        name: value
        for name in ("scheme", "words_rule", "revision", "quantization")
        if (value := getattr(args, name)) is not None
    }
    from vtag.cli.bar import Bar, summary
    from vtag.files.journal import State
    from vtag.run import tag_files

    def say(line: str) -> None:
        if not args.quiet:
            print(f"vtag: {line}", file=sys.stderr, flush=True)

    cluster = _cluster(args)
    piped = "-" in (args.output, *args.input)
    if piped:
        say("from stdin or to stdout there is no journal: stopped, this run cannot go on")
    bar = Bar(sys.stderr)

    def watch(state: State, share: float | None) -> None:
        if state.done:
            say("finished already, nothing to do (--restart begins anew)")
            return
        if bar.state is None and state.records:
            say(f"goes on after {state.records:,} records")
        bar(state, share)

    given |= engine.arguments(args)
    try:
        state = tag_files(
            args.model if cluster is None else _on_ray(args.model, given, cluster, say),
            args.input,
            args.output,
            format=args.format,
            text_field=args.text_field,
            words_field=args.words_field,
            spans_field=args.spans_field,
            overwrite_field=args.overwrite_field,
            stride=args.stride,
            strict=args.strict,
            restart=args.restart,
            watch=None if args.quiet else watch,
            **options,
            **given if cluster is None else {},
        )
    except KeyboardInterrupt:
        bar.close()
        safe = f"interrupted after {bar.state.records if bar.state else 0:,} records"
        say(safe if piped else f"{safe}: the same command goes on from there")
        return INTERRUPTED
    finally:
        bar.close()
    say(summary(state))
    return FAILURES if state.failures else 0


def _cluster(args: argparse.Namespace) -> dict[str, Any] | None:
    """What `Cluster` takes besides the model, if it is to be one."""
    given = {
        "address": args.ray_address,
        "workers": _workers(args.workers),
        "cpus": args.cpus_per_worker,
        "gpus": args.gpus_per_worker,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if not args.ray:
        for name, option in OPTIONS.items():
            if name in given:
                raise error("ray_only", option=option)
        return None
    if args.output == "-":
        raise error("ray_to_stdout")
    for name, least in (("cpus", 1), ("gpus", 0)):
        if given.get(name, least) < least:
            raise error("bad_count", option=OPTIONS[name], least=least)
    return given


def _workers(given: str | None) -> tuple[int, int | None] | None:
    """`"2"` -> (2, 2), `"1:8"` -> (1, 8), `"2:"` -> (2, None)."""
    if given is None:
        return None
    found = re.fullmatch(r"(\d+)(:(\d+)?)?", given)
    if found is None:
        raise error("bad_workers")
    fewest = int(found[1])
    most = int(found[3]) if found[3] else None if found[2] else fewest
    if most is not None and not 1 <= max(fewest, 1) <= most:
        raise error("bad_workers")
    return fewest, most


def _on_ray(model: str, given: dict[str, Any], cluster: dict[str, Any], say: Callable[[str], None]) -> Cluster:
    from vtag.integrations.ray.cluster import Cluster

    return Cluster(model, say=say, **cluster, **given)
