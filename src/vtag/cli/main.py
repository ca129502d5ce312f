"""`vtag COMMAND ...`: finds the command, and turns errors into one line on stderr and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from vtag._version import __version__
from vtag.cli import streams
from vtag.errors import INTERRUPTED, VtagError, error, reason
from vtag.system import environment

# Each is a module of this package with `parser()` and `run(arguments)`.
COMMANDS = {
    "tag": "tag texts with a model",
    "run": "tag the records of files into a file; the same command continues a stopped run",
    "redact": "replace the values of spans, in files or lines, by a policy",
    "restore": "put values back: tokens by their key, numbers and fakes by their mapping",
    "eval": "measure a model, or predictions, on gold data; compare two",
    "serve": "answer HTTP requests with spans",
    "play": "show the spans of typed text on a page in the browser",
    "bench": "measure how fast a model is on this machine",
    "doctor": "show what is installed, what will be used, and the fix for each problem",
    "formats": "list the file formats that vtag run reads and writes",
    "labels": "list the labels of a model's spans, also as the mapping file of vLLM Semantic Router",
    "models": "list the architectures that vtag runs",
}
USAGE = 2


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message}: see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    environment.set_before_torch()
    streams.ensure_standard_fds()
    # Background jobs of a shell ignore SIGINT; that stays.
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        return _main(arguments)
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _main(arguments: Sequence[str] | None) -> int:
    chosen = _parser().parse_args(arguments)
    command = importlib.import_module(f"vtag.cli.{chosen.command}")
    try:
        try:
            parsed = command.parser(Parser(prog=f"vtag {chosen.command}", description=COMMANDS[chosen.command]))
            # Intermixed: options may come before, between and after the texts.
            code: int = command.run(parsed.parse_intermixed_args(chosen.arguments))
            sys.stdout.flush()
            return code
        except BrokenPipeError:  # the reader closed the pipe (`| head`)
            streams.discard_stdout()
            return 0
        except KeyboardInterrupt:
            return INTERRUPTED
        except VtagError:
            raise
        except OSError as cause:
            if cause.filename is not None or cause.errno not in streams.FAILED:
                raise error("internal", type=type(cause).__name__) from cause
            raise error("stdout_failed", reason=cause.strerror) from cause
        except ImportError as cause:
            raise error("cannot_import", reason=reason(cause)) from cause
        except Exception as unexpected:
            raise error("internal", type=type(unexpected).__name__) from unexpected
    except VtagError as failed:
        if os.environ.get("VTAG_DEBUG"):
            traceback.print_exc()
        if failed.kind == "stdout_failed":
            streams.discard_stdout()
        print(f"vtag: {failed}", file=sys.stderr)
        return failed.exit_code


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS)) + 2
    parser = Parser(
        prog="vtag",
        usage="vtag COMMAND ...",
        description="Token classification (NER, PII, POS) on vLLM: labelled spans with exact offsets.",
        epilog="commands:\n" + "\n".join(f"  {name:{width}}{says}" for name, says in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vtag {__version__}")
    parser.add_argument("command", choices=COMMANDS, help=argparse.SUPPRESS, metavar="COMMAND")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Exit at once on Ctrl-C during imports: half-imported libraries turn the exception into other errors."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
