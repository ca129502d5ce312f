"""`vtag run --ray`: its options, and the cluster."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

from vtag.errors import error

if TYPE_CHECKING:
    from vtag.integrations.ray import Cluster

# Option -> argument of `Cluster`.
OPTIONS = {
    "--ray-address": "address",
    "--workers": "workers",
    "--cpus-per-worker": "cpus",
    "--gpus-per-worker": "gpus",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--ray` and its options."""
    group = parser.add_argument_group("many machines")
    group.add_argument("--ray", action="store_true", help="tag on a Ray cluster, or a private one on this machine")
    group.add_argument("--ray-address", metavar="ADDRESS", help="auto, or HOST:PORT (default: RAY_ADDRESS)")
    group.add_argument("--workers", metavar="MIN:MAX", help="minimum and maximum (default: from 1 to as many as fit)")
    group.add_argument("--cpus-per-worker", metavar="N", type=int, help="default: 1")
    group.add_argument("--gpus-per-worker", metavar="N", type=int, help="default: 1 if the cluster has GPUs, else 0")


def check(args: argparse.Namespace) -> None:
    """Refuse combinations of options that do not fit, before anything starts."""
    options = _given(args)
    if options and not args.ray:
        raise error("ray_only", option=next(option for option, name in OPTIONS.items() if name in options))
    if args.ray and args.output == "-":
        raise error("ray_to_stdout")
    for option, least in (("--cpus-per-worker", 1), ("--gpus-per-worker", 0)):
        if options.get(OPTIONS[option], least) < least:
            raise error("bad_limit", option=option, least=least)


@contextmanager
def tagger(
    args: argparse.Namespace, engine: dict[str, Any], notify: Callable[[str], None]
) -> Iterator[tuple[str | Cluster, dict[str, Any]]]:
    """Arguments of `tag_files`: the model's name and the engine's arguments, or only the cluster."""
    if not args.ray:
        yield args.model, engine
        return
    from vtag.integrations.ray import Cluster

    # Ray's messages about dead processes are dropped: `notify` gets what matters.
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield Cluster(args.model, notify=notify, **_given(args), **engine), {}


def _given(args: argparse.Namespace) -> dict[str, Any]:
    found = {name: getattr(args, option[2:].replace("-", "_")) for option, name in OPTIONS.items()}
    if found["workers"] is not None:
        found["workers"] = _workers(found["workers"])
    return {name: value for name, value in found.items() if value is not None}


def _workers(text: str) -> tuple[int, int | None]:
    """`"2"` -> (2, 2), `"1:8"` -> (1, 8), `"2:"` -> (2, None)."""
    found = re.fullmatch(r"(\d{1,6})(:(\d{1,6})?)?", text)
    if found is None:
        raise error("bad_workers")
    fewest = int(found[1])
    most = None if found[0].endswith(":") else int(found[3] or fewest)
    if most is not None and most < max(fewest, 1):
        raise error("bad_workers")
    return fewest, most
