"""The classes of errors, and a row of the tables."""

from __future__ import annotations

from typing import Any, NamedTuple


class VtagError(Exception):
    """Base of all errors that vtag raises on purpose: one line that names the fix and holds no text of the user's.

    Attributes:
        kind: the row of the table of errors, and its anchor in the reference.
        status: HTTP status.
        exit_code: of the command line.
    """

    kind: str = "internal"
    status: int = 500
    exit_code: int = 70

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (type(self), self.kind, self.status, self.exit_code, str(self))


class InputError(VtagError, ValueError):
    """A text, or a list of texts, that cannot be tagged."""


class ModelError(VtagError, ValueError):
    """A model that cannot be loaded or has no usable token-classification head."""


class SettingError(VtagError, ValueError):
    """An option that does not exist or does not fit."""


class MissingPackageError(VtagError, ImportError):
    """An optional package that the called feature needs."""


class EngineError(VtagError, RuntimeError):
    """The engine failed, or was used wrongly."""


class Kind(NamedTuple):
    """One row of a table."""

    error: type[VtagError]
    status: int
    exit_code: int
    message: str


def restore(cls: type[VtagError], kind: str, status: int, exit_code: int, message: str) -> VtagError:
    """The exception with these attributes; pickle calls it too."""
    restored = cls(message)
    restored.kind, restored.status, restored.exit_code = kind, status, exit_code
    return restored
