"""The input files of a run: from names, globs, folders and "-", in a fixed order."""

from __future__ import annotations

import glob
import gzip
import hashlib
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from vtag.errors import error, short
from vtag.files import formats
from vtag.files.compression import unpacked
from vtag.files.records import Bad, DamagedError, Record

STDIN = "-"
EDGE = 1 << 20  # bytes at the start and at the end that identify an input


class Input(NamedTuple):
    """One file, or stdin.

    size: bytes on disk. pipe: whether it can be read only once, from its start. delimiter: of CSV, if the caller sets
    it.
    """

    path: str
    format: str
    size: int = 0
    pipe: bool = False
    delimiter: str | None = None


def find(
    names: Sequence[str],
    format: str | None = None,  # noqa: A002
    besides: Iterable[Path] = (),
    delimiter: str | None = None,
) -> list[Input]:
    """The inputs. A folder means all files below it with a known extension, sorted by name.

    `besides` are files and folders to leave out: what the run itself writes.
    """
    formats.check(format)
    between = "\t" if delimiter == "\\t" else delimiter
    if between is not None and (len(between) != 1 or between in '"\r\n' or between.isalnum()):
        raise error("bad_delimiter", given=short(delimiter))
    ours = {path.resolve() for path in besides}
    found: list[Input] = []
    for name in names:
        if name == STDIN:
            if sys.stdin is None:
                raise error("no_stdin")
            found.append(_input(name, format or "jsonl", 0, True, between))
            continue
        paths = _expand(name)
        for path in paths:
            kind = format or formats.by_extension(path.name)
            if ours & {path.resolve(), path.parent.resolve()}:
                if path == Path(name):
                    raise error("input_is_output", path=name)
            elif kind is not None:
                found.append(_input(str(path), kind, path.stat().st_size, not path.is_file(), between))
            elif path == Path(name):
                raise error("unknown_format", path=name, names=", ".join(formats.FORMATS))
    if not found:
        raise error("nothing_to_read", path=names[0] if names else "", names=", ".join(formats.FORMATS))
    if between is not None and not any(source.delimiter for source in found):
        raise error("bad_delimiter", given=short(delimiter))
    return found


def _input(path: str, kind: str, size: int, pipe: bool, delimiter: str | None) -> Input:
    return Input(path, kind, size, pipe, delimiter if kind == "csv" else None)


def _expand(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path)))
    if path.exists():
        return [path]
    if glob.has_magic(name):
        return sorted(p for p in map(Path, glob.glob(name, recursive=True)) if p.is_file())
    raise error("input_gone", path=name)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


@contextmanager
def opened(source: Input) -> Iterator[BinaryIO]:
    """The raw bytes of a file."""
    if source.path == STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = open(source.path, "rb")  # noqa: SIM115
    except OSError as cause:
        raise error("input_gone", path=source.path) from cause
    with file:
        yield file


def records(source: Input, raw: BinaryIO, after: int = 0) -> Iterator[Record | Bad]:
    """The records of an opened file after record number `after`."""
    number = after
    try:
        for record in formats.reader(source.format, source.delimiter)(unpacked(raw, source.path), after):
            number = record.number
            yield record
    except (DamagedError, EOFError, zlib.error, gzip.BadGzipFile) as cause:
        raise error("input_broken", path=source.path, record=number) from cause
    except OSError as cause:
        raise error("input_gone", path=source.path) from cause


def columns(sources: Iterable[Input]) -> dict[str, Any]:
    """The fields that all inputs name, with their Arrow types where they have any; pipes are not asked."""
    found: dict[str, Any] = {}
    for source in sources:
        known = formats.columns(source.format, source.delimiter)
        if known is not None and not source.pipe:
            with opened(source) as raw:
                found = {**known(unpacked(raw, source.path)), **found}
    return found


def fingerprint(sources: Sequence[Input]) -> str:
    """Tells these inputs from others: their names, sizes, heads and tails."""
    digest = hashlib.sha256()
    for source in sources:
        with opened(source) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            says = f"{source.path}\0{source.format}{source.delimiter or ''}\0{size}\0"
            digest.update(says.encode(errors="surrogateescape"))
            digest.update(file.read(EDGE))
            file.seek(max(size - EDGE, 0))
            digest.update(file.read(EDGE))
    return digest.hexdigest()
