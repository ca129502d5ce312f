"""Where a run's bytes go: appended to a file, kept as parts that are joined at the end, or out to a pipe.

What a store was given is on the disk when `write` returns; how much of it counts, the journal says.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from vtag.errors import error
from vtag.files.compression import pack
from vtag.files.journal import sync_folder, write_all


class Store(Protocol):
    """What a run writes to. Its size is counted in bytes, or in parts."""

    def resume(self, size: int) -> None:
        """Go back to what is safe; whatever is after it was never finished."""

    def write(self, data: bytes) -> int:
        """Write the bytes of a chunk; returns the size with them."""

    def finish(self) -> None:
        """All chunks are written: make it what the user asked for."""

    def clean(self) -> None:
        """Remove what only served to resume."""


class Appended:
    """One file, chunk after chunk; if its name ends in .gz or .zst, each chunk is packed by itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0

    def resume(self, size: int) -> None:
        """Cut the file back."""
        there = self._path.stat().st_size if self._path.exists() else 0
        if there < size:
            raise error("output_lost", path=self._path)
        if size == 0:
            self._path.unlink(missing_ok=True)
        elif there > size:
            os.truncate(self._path, size)
        self._size = size

    def write(self, data: bytes) -> int:
        """Append, and wait for the disk."""
        data = pack(data, self._path.name)
        new = self._size == 0
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if os.fstat(file).st_size < self._size:
                raise error("output_lost", path=self._path)
            write_all(file, data, self._size)
            os.fsync(file)
            # Nobody reads it for now, and pages that are used again cost a fraction of fresh ones.
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)
        if new:
            sync_folder(self._path.parent)
        self._size += len(data)
        return self._size

    def finish(self) -> None:
        """There is a file even where there were no records."""
        self._path.touch()

    def clean(self) -> None:
        """Nothing served to resume."""


class Parts:
    """A folder of one file a chunk, each renamed into place; `join` makes one file of them."""

    def __init__(self, path: Path, folder: Path, join: Callable[[Sequence[Path], BinaryIO], None]) -> None:
        self._path, self._folder, self._join = path, folder, join
        self._size = 0

    def resume(self, size: int) -> None:
        """Remove the parts that do not count."""
        self._folder.mkdir(exist_ok=True)
        safe = {self._part(number) for number in range(size)}
        there = set(self._folder.iterdir())
        if safe - there:
            raise error("output_lost", path=self._folder)
        for path in there - safe:
            path.unlink()
        sync_folder(self._folder.parent)
        self._size = size

    def write(self, data: bytes) -> int:
        """A new part."""
        self._put(self._part(self._size), lambda file: file.write(data))
        self._size += 1
        return self._size

    def finish(self) -> None:
        """Join the parts, and put the whole in its place."""
        parts = [self._part(number) for number in range(self._size)]
        self._put(self._path, lambda file: self._join(parts, file))

    def clean(self) -> None:
        """The parts are no longer needed."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _part(self, number: int) -> Path:
        return self._folder / f"{number:08}.part"

    def _put(self, path: Path, fill: Callable[[BinaryIO], object]) -> None:
        unfinished = self._folder / "unfinished"
        with open(unfinished, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        sync_folder(path.parent)


class Pipe:
    """Nothing can be taken back, so nothing can be resumed."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def resume(self, size: int) -> None:
        """Nothing was written before."""

    def write(self, data: bytes) -> int:
        """Hand on at once."""
        self._out.write(data)
        self._out.flush()
        return 0

    def finish(self) -> None:
        """Nothing is left to do."""

    def clean(self) -> None:
        """Nothing was left over."""


def beside(output: Path, suffix: str) -> Path:
    """`out.jsonl` and `.journal` -> `out.jsonl.journal`."""
    return output.with_name(output.name + suffix)
