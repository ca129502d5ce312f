"""Files in .gz and .zst, read as a stream and written in concatenated pieces."""

from __future__ import annotations

import gzip
import io
from pathlib import PurePath
from typing import Any, BinaryIO, cast

from vtag.errors import error
from vtag.files.records import DamagedError

SUFFIXES = (".gz", ".zst")
LEVEL = 6  # the gzip command's default
BLOCK = 1 << 17


def unpacked(file: BinaryIO, name: str) -> BinaryIO:
    """The content of `file`, called `name`. Reading a truncated file raises DamagedError, or gzip's own exception."""
    suffix = PurePath(name).suffix.lower()
    if suffix == ".gz":
        return cast(BinaryIO, gzip.open(file))
    if suffix == ".zst":
        return io.BufferedReader(_Frames(file, _zstandard()), BLOCK)
    return file


def pack(data: bytes, name: str) -> bytes:
    """Compressed bytes to append to a file called `name`: a gzip member or a zstd frame, without a time stamp."""
    suffix = PurePath(name).suffix.lower()
    if suffix == ".gz":
        return gzip.compress(data, LEVEL, mtime=0)
    if suffix == ".zst":
        return bytes(_zstandard().ZstdCompressor().compress(data))
    return data


class _Frames(io.RawIOBase):
    """The content of zstd frames. (The library's own reader accepts a truncated frame.)"""

    def __init__(self, file: BinaryIO, zstandard: Any) -> None:
        self._file, self._decompressor, self._error = file, zstandard.ZstdDecompressor(), zstandard.ZstdError
        self._frame: Any = None
        self._packed = self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            packed = self._packed or self._file.read(BLOCK)
            if not packed:
                if self._frame is not None:
                    raise DamagedError
                return 0
            self._frame = self._frame or self._decompressor.decompressobj()
            try:
                self._ready = self._frame.decompress(packed)
            except self._error as cause:
                raise DamagedError from cause
            self._packed = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame = None
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as cause:
        raise error("files_missing", what=".zst") from cause
    return zstandard
