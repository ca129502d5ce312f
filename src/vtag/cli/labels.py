"""`vtag labels MODEL`: the labels of its spans, for people or as the mapping file of another program."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence

from vtag.cli import engine
from vtag.errors import error
from vtag.system.imports import gc_paused

# What vLLM Semantic Router cuts off a label, in responses and in its mapping file; and the label that it keeps for
# itself.
CUT = ("B-", "I-", "E-")
RESERVED = ("O", "classification_error")


def _plain(types: Sequence[str]) -> str:
    return "\n".join(types)


def _semantic_router(types: Sequence[str]) -> str:
    """vLLM Semantic Router's `pii_type_mapping.json`: index 0 is the label outside of spans."""
    for name in types:
        if name.startswith(CUT) or name in RESERVED:
            raise error("router_label", label=name)
    labels = ["O", *types]
    indices = {label: at for at, label in enumerate(labels)}
    return json.dumps({"label_to_idx": indices, "idx_to_label": dict(enumerate(labels))}, indent=2, ensure_ascii=False)


FORMATS: dict[str, Callable[[Sequence[str]], str]] = {"plain": _plain, "semantic-router": _semantic_router}


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag labels`."""
    new.add_argument("model", metavar="MODEL", help="a folder, a hub id, or demo")
    new.add_argument(
        "--format",
        metavar="NAME",
        choices=FORMATS,
        default="plain",
        help="plain (default): one a line; semantic-router: the mapping file of vLLM Semantic Router",
    )
    engine.add_options(new)
    return new


def run(args: argparse.Namespace) -> int:
    """Print the labels, as they are served."""
    arguments = engine.arguments(args)
    engine.check_model_path(args)
    with gc_paused():
        from vtag.model.plan import make_plan

        types = make_plan(args.model, **arguments).tagger.names.of_spans
    print(FORMATS[args.format](types))
    return 0
