"""`vtag formats`: the formats that `vtag run` reads and writes."""

from __future__ import annotations

import argparse


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """`vtag formats` has no arguments."""
    return new


def run(args: argparse.Namespace) -> int:
    """Print one line per format."""
    from vtag.files.compression import SUFFIXES
    from vtag.files.formats import FORMATS

    for name, row in FORMATS.items():
        packed = " ".join(("", *SUFFIXES)) if row.packs else ""
        where = "in and out" if row.writes else "in only"
        print(f"{name:9}{' '.join(row.extensions):17}{where:12}{row.says}{', also' if packed else ''}{packed}")
    return 0
