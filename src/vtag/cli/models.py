"""`vtag models`: the architectures that Hugging Face maps to a token classifier, and how vtag runs each."""

from __future__ import annotations

import argparse
import json

from vtag.model.architectures import ARCHITECTURES


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag models`."""
    new.add_argument("--json", action="store_true", help="one JSON object a line")
    return new


def run(args: argparse.Namespace) -> int:
    """Print one line per architecture: Hugging Face's model_type and the route."""
    width = max(map(len, ARCHITECTURES)) + 2
    for name, row in sorted(ARCHITECTURES.items()):
        if args.json:
            known = {"model_type": name, "route": row.route, "causal": row.causal, "needs": row.needs}
            print(json.dumps(known | {"transformers": row.transformers}))
        elif row.needs:
            print(f"{name:{width}}no: needs {row.needs} beside text")
        else:
            newer = f", with transformers {row.transformers} or later" if row.transformers else ""
            print(f"{name:{width}}{row.route}{newer}")
    return 0
