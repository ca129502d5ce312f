"""The one table of file formats: name -> extensions, and the module that reads and writes it."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import PurePath
from typing import Any, NamedTuple

from vtag.errors import error
from vtag.files.compression import SUFFIXES


class Format(NamedTuple):
    """One row: a module with `read`, maybe `columns`, `Writer` and, where chunks cannot be appended, `join`.

    packs: whether .gz and .zst may follow the extension. writes: whether spans can be written to it.
    columns: whether all records of a file have the same fields.
    """

    extensions: tuple[str, ...]
    module: str
    says: str
    packs: bool = True
    writes: bool = True
    columns: bool = True


FORMATS = {
    "jsonl": Format((".jsonl", ".ndjson"), "vtag.files.jsonl", "JSON Lines, an object a line", columns=False),
    "json": Format(
        (".json",),
        "vtag.files.json_array",
        "an array of objects, or objects one after another",
        writes=False,
        columns=False,
    ),
    "text": Format((".txt",), "vtag.files.plain_text", "plain text, a text a line", writes=False),
    "csv": Format((".csv",), "vtag.files.table", "comma, semicolon, tab or | between fields; names in the first row"),
    "tsv": Format((".tsv", ".tab"), "vtag.files.tsv", "tab between fields, no quotes; names in the first row"),
    "conll": Format(
        (".conll", ".bio", ".iob"), "vtag.files.conll", "a token a line, its tag in the last column", writes=False
    ),
    "conllu": Format((".conllu",), "vtag.files.conllu", "CoNLL-U: UPOS as tags, NER of MISC as ner", writes=False),
    "parquet": Format((".parquet", ".pq"), "vtag.files.parquet", "Parquet, row group by row group", packs=False),
}


def by_extension(name: str) -> str | None:
    """The format of a file called `name`, from its extension; `.gz` and `.zst` may follow it."""
    path = PurePath(name.lower())
    packed = path.suffix in SUFFIXES
    extension = PurePath(path.stem).suffix if packed else path.suffix
    for key, row in FORMATS.items():
        if extension in row.extensions and not (packed and not row.packs):
            return key
    return None


def check(name: str | None) -> None:
    """Raise an error for an unknown format."""
    if name is not None and name not in FORMATS:
        raise error("no_such_format", names=", ".join(FORMATS))


def output(name: str) -> str:
    """The format of an output called `name`."""
    key = by_extension(name)
    if key is None or not FORMATS[key].writes:
        raise error("unknown_output", names=", ".join(row.extensions[0] for row in FORMATS.values() if row.writes))
    return key


def reader(name: str, delimiter: str | None = None) -> Any:
    """`read(file, after)` -> the records after record number `after`. Only CSV has a delimiter."""
    return _function(name, "read", delimiter)


def columns(name: str, delimiter: str | None = None) -> Any:
    """`columns(file)` -> the names of its fields, with Arrow types where they exist; None for formats
    without columns.
    """
    return _function(name, "columns", delimiter)


def writer(name: str) -> Any:
    """The class of its writers."""
    return importlib.import_module(FORMATS[name].module).Writer


def _function(name: str, function: str, delimiter: str | None) -> Any:
    found: Any = getattr(importlib.import_module(FORMATS[name].module), function, None)
    return found if delimiter is None else partial(found, delimiter=delimiter)


def joiner(name: str) -> Any:
    """`join(parts, out, fields)`, or None where chunks are appended to each other."""
    return getattr(importlib.import_module(FORMATS[name].module), "join", None)
