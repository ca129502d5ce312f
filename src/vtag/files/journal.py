"""The journal of a run: which command it belongs to, and how far its output is safe on disk.

One JSON object a line: the key, then one state for each chunk, the last of them marked as done. A line counts when it
is whole; it is written after the chunk's bytes have reached the disk. No line holds text of the input.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vtag.errors import error


@dataclass(frozen=True, slots=True)
class State:
    """How far a run is.

    file, record: the last record read: the number of its file (from 0), and its own number there.
    size, errors_size, mapping_size: committed size of the output (bytes, or parts), of the errors file and of the
    file of mappings (bytes).
    records: how many were read; failures: how many of them were not tagged. labels: spans by label.
    tokens: how many the engine ran. seconds: working time, without pauses between runs.
    """

    file: int = 0
    record: int = 0
    size: int = 0
    errors_size: int = 0
    mapping_size: int = 0
    records: int = 0
    failures: int = 0
    tokens: int = 0
    seconds: float = 0.0
    labels: dict[str, int] = field(default_factory=dict)
    done: bool = False


class Journal:
    """An open and locked journal; the lock ends with the process, however that ends."""

    def __init__(self, path: Path, output: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            os.close(self._file)
            raise error("output_busy", output=output) from cause
        self._folder = path.parent
        self.key: dict[str, str] | None = None
        self.state = State()
        self._end = 0
        self._read()

    def begin(self, key: Mapping[str, str]) -> None:
        """Discard the content, and write the key."""
        os.ftruncate(self._file, 0)
        self._end, self.key, self.state = 0, dict(key), State()
        self._write({"key": self.key})
        sync_folder(self._folder)

    def add(self, state: State) -> None:
        """Commit: the run is as far as `state`."""
        self._write(asdict(state))
        self.state = state

    def differs(self, key: Mapping[str, str]) -> list[str]:
        """Names of the parts of the key that have changed since the journal began."""
        had = self.key or {}
        return [name for name in dict.fromkeys([*key, *had]) if key.get(name) != had.get(name)]

    def close(self) -> None:
        """Release the lock."""
        os.close(self._file)

    def _read(self) -> None:
        with open(self._file, "rb", closefd=False) as file:
            for line in file:
                try:
                    row: Any = json.loads(line) if line.endswith(b"\n") else None
                    if self.key is None:
                        self.key = dict(row["key"])
                    else:
                        self.state = State(**row)
                except (ValueError, TypeError, KeyError):  # half written, or by another version
                    break
                self._end += len(line)

    def _write(self, row: dict[str, Any]) -> None:
        data = json.dumps(row).encode() + b"\n"
        # Overwrite what a kill left half written.
        os.ftruncate(self._file, self._end)
        write_all(self._file, data, self._end)
        os.fsync(self._file)
        self._end += len(data)


def write_all(file: int, data: bytes, at: int) -> None:
    """Write all of the data from byte `at` on: the system may accept less at once."""
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written


def sync_folder(folder: Path) -> None:
    """Make new and renamed files in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
