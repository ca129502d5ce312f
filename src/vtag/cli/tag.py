"""`vtag tag MODEL [TEXT ...]`: spans in colours on a terminal, in brackets elsewhere, as JSON lines or as a page."""

from __future__ import annotations

import argparse
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from json.encoder import encode_basestring as quote
from pathlib import Path
from typing import TYPE_CHECKING

from vtag.cli import engine, streams
from vtag.errors import InputError, error

if TYPE_CHECKING:
    from vtag.engine.llm import LLM
    from vtag.options import BoundOptions
    from vtag.types import Span

    Show = Callable[[list[str], list[list[Span]]], None]


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag tag`."""
    new.add_argument("model", metavar="MODEL", help="a folder, a hub id, or demo")
    new.add_argument("text", metavar="TEXT", nargs="*", help="texts to tag; without any, stdin has one per line")
    new.add_argument("--examples", action="store_true", help="tag the demo model's example texts")
    shape = new.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help='one line per text: {"text": ..., "spans": [...]}')
    shape.add_argument("--html", metavar="FILE", help="write a page that shows the spans in colours")
    engine.add_tagging(new)
    engine.add_options(new)
    return new


def run(args: argparse.Namespace) -> int:
    """Tag and print."""
    runs = _runs(args)
    # Heavy imports start here; all input errors are reported before an engine starts.
    asked = engine.tagging(args)
    page = Page(args.html, args.model) if args.html else None
    first = next(runs, None)
    if first is not None:
        llm, options = engine.start(args, lambda tagger: tagger.bind(asked))
        from vtag import view

        # registers the model's types in order, so that colours are the same in every run
        view.colors(llm.tagger.names.of_spans)
        if args.model == "demo" and not args.json:
            from vtag.model.demo import ATTRIBUTION

            print(f"demo model: {ATTRIBUTION}\n", file=sys.stderr)
        show = page.add if page else _printer(args.json)
        for texts, spans in tagged(llm, chain([first], runs), options):
            show(texts, spans)
    if page:
        page.write()
    return 0


def _runs(args: argparse.Namespace) -> Iterator[list[str]]:
    """The texts: all at once from the command line, as they arrive from stdin."""
    from vtag.text.batching import BATCH_CHARACTERS, BATCH_TEXTS
    from vtag.text.inputs import check_text

    texts = list(args.text)
    if args.examples:
        from vtag.model.demo import EXAMPLES

        texts = [*EXAMPLES, *texts]
    if texts:
        # Bytes of the command line may be invalid UTF-8.
        return iter([[check_text(text, index) for index, text in enumerate(texts)]])
    if sys.stdin is None or sys.stdin.isatty():
        raise error("no_text")
    return streams.read_lines(BATCH_TEXTS, BATCH_CHARACTERS)


def tagged(llm: LLM, runs: Iterable[list[str]], options: BoundOptions) -> Iterator[tuple[list[str], list[list[Span]]]]:
    """Each list of texts with its spans. An empty list flushes the one before it, because one list is read ahead."""
    from vtag.files.records import REASONS

    ahead: deque[list[str]] = deque()
    done = 0

    def lists_of_texts() -> Iterator[list[str]]:
        for run in runs:
            ahead.append(run)
            yield run

    for answered in llm.answers(lists_of_texts(), options, words=False):
        texts = ahead.popleft()
        spans: list[list[Span]] = []
        for answer in answered.answers:
            if isinstance(answer, InputError):
                yield texts[: len(spans)], spans
                raise error("bad_line", line=done + len(spans) + 1, reason=REASONS[answer.kind])
            spans.append(answer)
        yield texts, spans
        done += len(texts)


def _printer(as_json: bool) -> Show:
    """Prints texts with their spans: as JSON lines, or for people."""
    from vtag.files.jsonl import dump_spans
    from vtag.view import render_terminal

    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]

    def line(text: str, spans: list[Span]) -> str:
        if as_json:
            return f'{{"text": {quote(text)}, "spans": {dump_spans(spans)}}}\n'
        return f"{render_terminal(text, spans, color=color)}\n"

    return lambda texts, spans: streams.write("".join(map(line, texts, spans)))


class Page:
    """Collects all texts for one page."""

    def __init__(self, path: str, title: str) -> None:
        self._path, self._title = path, title
        self._texts: list[str] = []
        self._rows: list[list[Span]] = []
        with self._writing():  # reports an unwritable file before an engine starts
            open(path, "ab").close()

    def add(self, texts: list[str], spans: list[list[Span]]) -> None:
        """Add texts to the page."""
        self._texts += texts
        self._rows += spans

    def write(self) -> None:
        """Write the page."""
        from vtag.view import render_page

        with self._writing():
            Path(self._path).write_text(render_page(self._texts, self._rows, title=self._title), "utf-8")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as cause:
            raise error("page_failed", path=self._path, reason=cause.strerror) from cause
