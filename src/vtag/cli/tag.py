"""`vtag tag MODEL [TEXT ...]`: spans in colours on a terminal, in brackets elsewhere, as JSON lines or as a page."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from vtag.cli import engine
from vtag.errors import error


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag tag`."""
    new.add_argument("model", metavar="MODEL", help="a folder, a hub id, or demo")
    new.add_argument("text", metavar="TEXT", nargs="*", help="texts to tag; without any, one a line from stdin")
    new.add_argument("--examples", action="store_true", help="tag the demo model's example texts")
    shape = new.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help='one line a text: {"text": ..., "spans": [...]}')
    shape.add_argument("--html", metavar="FILE", help="write a page that shows the spans in colours")
    engine.add_tagging(new)
    engine.add_options(new)
    return new


def run(args: argparse.Namespace) -> int:
    """Tag and print."""
    texts = _texts(args)
    # Heavy imports only now; and whatever can be wrong with the input is said before an engine starts.
    options = engine.tagging(args)
    from vtag.text.tokenize import check_surrogates

    check_surrogates(texts)
    if args.html:
        _check_writable(args.html)
    if not texts:
        _show([], [], args)
        return 0
    llm, options = engine.start(args, options)
    spans = llm.tag(texts, use_tqdm=sys.stderr.isatty(), **options)
    from vtag import view

    view.colors(llm.tagger.scheme.span_labels)  # the model's types in order: the colours of every other run
    if args.model == "demo" and not args.json:
        from vtag.demo import ATTRIBUTION

        print(f"demo model: {ATTRIBUTION}\n", file=sys.stderr)
    _show(texts, spans, args)
    return 0


def _texts(args: argparse.Namespace) -> list[str]:
    if args.examples:
        from vtag.demo import EXAMPLES

        return [*EXAMPLES, *args.text]
    if args.text:
        return list(args.text)
    if sys.stdin.isatty():
        raise error("no_text")
    # Bytes that are no UTF-8 become lone surrogates, and those have their own line in the table of errors.
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    return [line.rstrip("\n") for line in sys.stdin]


def _check_writable(path: str) -> None:
    try:
        open(path, "ab").close()
    except OSError as cause:
        raise error("page_failed", path=path, reason=cause.strerror) from cause


def _show(texts: list[str], spans: list[list[Any]], args: argparse.Namespace) -> None:
    from vtag.view import render_page, render_terminal

    if args.html:
        Path(args.html).write_text(render_page(texts, spans, title=args.model), "utf-8")
        return
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for text, row in zip(texts, spans, strict=True):
        if args.json:
            print(json.dumps({"text": text, "spans": [span.to_dict() for span in row]}, ensure_ascii=False))
        else:
            print(render_terminal(text, row, color=color))
