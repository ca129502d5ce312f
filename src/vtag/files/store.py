"""The output of a run: appended to a file, kept as parts that are joined at the end, or written to a pipe.

Bytes are on disk when `write` returns; the journal says how many of them count.
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
    """The output of a run. Its size is counted in bytes, or in parts."""

    def resume(self, size: int) -> None:
        """Go back to the committed size; what follows was never committed."""

    def write(self, data: bytes) -> int:
        """Write the bytes of a chunk; returns the new size."""

    def finish(self) -> None:
        """Finish the output after the last chunk."""

    def clean(self) -> None:
        """Remove files that were only needed to resume."""


class Appended:
    """One file, chunk after chunk; if its name ends in .gz or .zst, each chunk is compressed by itself."""

    def __init__(self, path: Path, mode: int = 0o666) -> None:
        self._path, self._mode = path, mode
        self._size = 0

    def resume(self, size: int) -> None:
        """Truncate the file."""
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
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, self._mode)
        try:
            if os.fstat(file).st_size < self._size:
                raise error("output_lost", path=self._path)
            write_all(file, data, self._size)
            os.fsync(file)
            # Nobody reads the file now, and reusing its cached pages is much cheaper than allocating new ones.
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)
        if new:
            sync_folder(self._path.parent)
        self._size += len(data)
        return self._size

    def finish(self) -> None:
        """Create the file if there were no records."""
        self._path.touch(self._mode)

    def clean(self) -> None:
        """Nothing to remove."""


class Parts:
    """A folder with one file a chunk, each renamed into place; `join` makes one file of them."""

    def __init__(self, path: Path, folder: Path, join: Callable[[Sequence[Path], BinaryIO], None]) -> None:
        self._path, self._folder, self._join = path, folder, join
        self._size = 0

    def resume(self, size: int) -> None:
        """Remove the parts that are not committed."""
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
        """Write a new part."""
        self._put(self._part(self._size), lambda file: file.write(data))
        self._size += 1
        return self._size

    def finish(self) -> None:
        """Join the parts, and move the result into place."""
        parts = [self._part(number) for number in range(self._size)]
        self._put(self._path, lambda file: self._join(parts, file))

    def clean(self) -> None:
        """Remove the parts."""
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
    """Written bytes cannot be taken back, so a run cannot be resumed."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def resume(self, size: int) -> None:
        """Nothing was written before."""

    def write(self, data: bytes) -> int:
        """Write and flush."""
        self._out.write(data)
        self._out.flush()
        return 0

    def finish(self) -> None:
        """Nothing left to do."""

    def clean(self) -> None:
        """Nothing to remove."""


def beside(output: Path, suffix: str) -> Path:
    """`out.jsonl` and `.journal` -> `out.jsonl.journal`."""
    return output.with_name(output.name + suffix)
