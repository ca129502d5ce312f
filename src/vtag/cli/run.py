"""`vtag run MODEL INPUT... -o OUTPUT`: files in, a file out; the same command continues a stopped run."""

from __future__ import annotations

import argparse

from vtag.cli import engine, files


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag run`."""
    new.add_argument("model", metavar="MODEL", help="a folder, a hub id, or demo")
    new.add_argument("input", metavar="INPUT", nargs="+", help="files, folders, globs, or - for stdin")
    new.add_argument("-o", "--output", metavar="OUTPUT", required=True, help="a file; its extension sets the format")
    files.add_options(new)
    new.add_argument("--words-field", metavar="NAME", help="field with words to tag instead of the text")
    new.add_argument("--spans-field", metavar="NAME", default="spans", help="field for the spans (default: spans)")
    engine.add_tagging(new)
    files.add_model_options(new)
    return new


def run(args: argparse.Namespace) -> int:
    """Run, and print the summary."""
    options = engine.tagging(args)
    from vtag.files.run import tag_files

    asked = {name: getattr(options, name) for name in engine.TAGGING}
    return files.tagged(args, tag_files, words_field=args.words_field, spans_field=args.spans_field, **asked)
