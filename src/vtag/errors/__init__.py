"""Errors: kind -> class, HTTP status, exit code, message with the fix. One table a file, one for each folder.

Every message is one line, names the fix, and never holds text of the user's.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any

from vtag.errors import command_line, engine, evaluation, files, integrations, model, options, redact, server, texts
from vtag.errors.base import (
    EngineError,
    InputError,
    Kind,
    MissingPackageError,
    ModelError,
    SettingError,
    VtagError,
    restore,
)

__all__ = [
    "INTERRUPTED",
    "TABLE",
    "EngineError",
    "InputError",
    "MissingPackageError",
    "ModelError",
    "SettingError",
    "VtagError",
    "error",
    "input_error",
    "listed",
    "reason",
    "short",
]

# Exit codes: 2 a command or option, 3 the model, 4 the input, 5 the machine or its set-up. No error has 6: `vtag run`
# ended, and some records could not be tagged.
TABLES = (model, engine, options, texts, redact, command_line, files, evaluation, server, integrations)
TABLE: dict[str, Kind] = {kind: row for table in TABLES for kind, row in table.TABLE.items()}
# How many names a message lists at most.
SHOWN = 24
# The exit code after Ctrl-C, as shells have it.
INTERRUPTED = 130


def error(kind: str, **fields: object) -> VtagError:
    """Make (not raise) the exception of a row, its message filled with `fields`."""
    row = TABLE[kind]
    message = row.message.format(**fields)
    one_line = " ".join(message.splitlines())  # a path may hold line ends
    return restore(row.error, kind, row.status, row.exit_code, one_line)


def input_error(kind: str, **fields: object) -> InputError:
    """The same of a row about a text, for callers that keep errors in the places of answers."""
    refused = error(kind, **fields)
    assert isinstance(refused, InputError)
    return refused


def short(value: object) -> str:
    """A short form of a caller's value, for a message: one line of limited length."""
    return " ".join(reprlib.repr(value).split())


def listed(names: Sequence[str]) -> str:
    """The first names of a list, for a message."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def reason(cause: BaseException) -> str:
    """Another library's message in one line: pydantic's first complaint, else the first paragraph."""
    complaints: list[dict[str, Any]] = getattr(cause, "errors", list)()
    if complaints:
        return ": ".join([*map(str, complaints[0]["loc"]), complaints[0]["msg"]])
    line = " ".join(str(cause).strip().split("\n\n")[0].split())
    return line if " " in line else f"{type(cause).__name__} {line}".strip()
