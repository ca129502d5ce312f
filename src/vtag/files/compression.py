"""Files in .gz and .zst, read as a stream and written in pieces that stand one behind the other."""

from __future__ import annotations

import gzip
from pathlib import PurePath
from typing import Any, BinaryIO, cast

from vtag.errors import error

SUFFIXES = (".gz", ".zst")
LEVEL = 6


def unpacked(file: BinaryIO, name: str) -> BinaryIO:
    """What `file`, called `name`, holds."""
    suffix = PurePath(name).suffix.lower()
    if suffix == ".gz":
        return cast(BinaryIO, gzip.open(file))
    if suffix == ".zst":
        return cast(BinaryIO, _zstandard().open(file, "rb", closefd=True))
    return file


def pack(data: bytes, name: str) -> bytes:
    """The bytes to append to a file called `name`: a gzip member or a zstd frame, without a time stamp."""
    suffix = PurePath(name).suffix.lower()
    if suffix == ".gz":
        return gzip.compress(data, LEVEL, mtime=0)
    if suffix == ".zst":
        return bytes(_zstandard().ZstdCompressor().compress(data))
    return data


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as cause:
        raise error("files_missing", what=".zst") from cause
    return zstandard
