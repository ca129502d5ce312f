"""`vtag redact MODEL [INPUT...]`: files into a file, as `vtag run`; without `-o`, lines or a stream of stdin."""

from __future__ import annotations

import argparse
import re
import sys
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from vtag.cli import engine, files, streams, tag
from vtag.errors import error

if TYPE_CHECKING:
    from vtag.redact.policy import Policy

LINE_END = re.compile(r"\r?\n?\Z")


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag redact`."""
    new.add_argument("model", metavar="MODEL", help="a folder, a hub id, or demo")
    new.add_argument("input", metavar="INPUT", nargs="*", help="files, folders, globs, or - for stdin (default)")
    new.add_argument(
        "-o", "--output", metavar="OUTPUT", help="a file; its extension sets the format (default: lines to stdout)"
    )
    new.add_argument(
        "--policy", metavar="FILE", help="TOML or JSON: what is done with each label (default: [LABEL] for all)"
    )
    new.add_argument(
        "--stream", action="store_true", help="stdin is one text, such as a model's answer: write what is final at once"
    )
    new.add_argument("--mapping", metavar="FILE", help="write the values of numbers and fakes there, for vtag restore")
    new.add_argument(
        "--replacements-field",
        metavar="NAME",
        default="replacements",
        help="field for what was replaced (default: replacements)",
    )
    files.add_options(new)
    files.add_model_options(new)
    return new


def run(args: argparse.Namespace) -> int:
    """Redact."""
    from vtag.redact import policy

    if args.stream and args.output is not None:
        raise error("redact_stream_output")
    if args.output is not None:
        from vtag.files.redact import redact_files

        args.input = args.input or ["-"]
        more = {"mapping": args.mapping, "replacements_field": args.replacements_field}
        return files.tagged(args, redact_files, policy=args.policy, **more)
    if args.input not in ([], ["-"]):
        raise error("redact_output")
    checked = policy.load(args.policy)
    files.check_lines(args, (*files.MODEL_OPTIONS, "mapping", "ray"))
    if checked.context is not None:
        raise error("redact_lines", what="a context in the policy")
    if sys.stdin is None or sys.stdin.isatty():
        raise error("no_text")
    (_stream if args.stream else _lines)(args, checked)
    return 0


def _stream(args: argparse.Namespace, policy: Policy) -> None:
    """The text of stdin, redacted: each part as soon as it is final."""
    from vtag.redact.stream import StreamRedactor
    from vtag.redact.text import Redactor

    llm, _ = engine.start(args, lambda tagger: StreamRedactor(Redactor.for_model(policy, tagger.names.of_spans)))
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
    for part in llm.redact_stream(streams.read_text(), policy=policy):
        streams.write(part.text)


def _lines(args: argparse.Namespace, policy: Policy) -> None:
    """Each line of stdin, redacted, as soon as it has come; nothing of a line that cannot be tagged."""
    from vtag.redact.text import Redactor
    from vtag.text.batching import BATCH_CHARACTERS, BATCH_TEXTS

    ends: deque[str] = deque()

    def bodies() -> Iterator[list[str]]:
        for lines in streams.read_lines(BATCH_TEXTS, BATCH_CHARACTERS, ends=True):
            texts = [LINE_END.sub("", line) for line in lines]
            ends.extend(line[len(text) :] for line, text in zip(lines, texts, strict=True))
            yield texts

    runs = bodies()
    first = next(runs, None)
    if first is None:
        return
    llm, redactor = engine.start(args, lambda tagger: Redactor.for_model(policy, tagger.names.of_spans))
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
    options = llm.tagger.bind(redactor.options)
    done = 0
    for texts, spans in tag.tagged(llm, chain([first], runs), options):
        made = [
            redactor.redact(*each, index=number) for number, each in enumerate(zip(texts, spans, strict=True), done)
        ]
        streams.write("".join(f"{each.text}{ends.popleft()}" for each in made))
        done += len(made)
