"""`vtag restore [INPUT...]`: values put back, in files or, without `-o`, in what comes on stdin."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from vtag.cli import files
from vtag.errors import error


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag restore`."""
    new.add_argument("input", metavar="INPUT", nargs="*", help="files, folders, globs, or - for stdin (default)")
    new.add_argument(
        "-o", "--output", metavar="OUTPUT", help="a file; its extension sets the format (default: text to stdout)"
    )
    new.add_argument(
        "--policy", metavar="FILE", help="the policy of the redaction (default: tokens by the key of VTAG_REDACT_KEY)"
    )
    new.add_argument("--mapping", metavar="FILE", help="the values of numbers and fakes, as vtag redact wrote them")
    new.add_argument(
        "--replacements-field",
        metavar="NAME",
        default="replacements",
        help="field to leave out (default: replacements)",
    )
    files.add_options(new)
    return new


def run(args: argparse.Namespace) -> int:
    """Restore."""
    if args.output is not None:
        from vtag.files.restore import restore_files

        args.input = args.input or ["-"]
        more = {name: getattr(args, name) for name in ("policy", "mapping", "replacements_field")}
        return files.watched(args, partial(restore_files, args.input, args.output, **more))
    if args.input not in ([], ["-"]):
        raise error("redact_output")
    files.check_lines(args, ("mapping",))
    from vtag.redact import policy
    from vtag.redact.restore import Restorer

    restorer = Restorer(None if args.policy is None else policy.load(args.policy))
    for line in sys.stdin.buffer:
        # Bytes that are not UTF-8 stay as they are.
        text = restorer.restore(line.decode("utf-8", "surrogateescape"))
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    return 0
