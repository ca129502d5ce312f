"""Files of mappings: for each redacted record, what leads from its numbers and fakes back to the values.

JSON Lines: {"record": its number in the output, from 1, "mapping": {placeholder: value}, "sha256": of all before it}.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vtag.errors import error


def lines(mappings: Sequence[Mapping[str, str]], first: int) -> bytes:
    """The lines of consecutive records."""
    return "".join(_line(number, mapping) for number, mapping in enumerate(mappings, first)).encode()


def _line(number: int, mapping: Mapping[str, str]) -> str:
    body = json.dumps({"record": number, "mapping": dict(mapping)}, ensure_ascii=False)[:-1]
    return f'{body}, "sha256": "{_digest(body)}"}}\n'


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def read(path: str | Path) -> Iterator[dict[str, str]]:
    """The mappings of a file, in order. Raises InputError at the first line that is not as it was written."""
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                yield _mapping(path, number, line)
    except OSError as cause:
        raise error("mapping_unreadable", path=path, reason=cause.strerror or type(cause).__name__) from cause


def check(path: str | Path) -> tuple[int, str]:
    """How many lines a file has, and a digest of them. Raises InputError as `read` does."""
    digest = hashlib.sha256()
    count = 0
    for count, mapping in enumerate(read(path), 1):
        digest.update(_line(count, mapping).encode())
    return count, digest.hexdigest()[:16]


def _mapping(path: str | Path, number: int, line: bytes) -> dict[str, str]:
    try:
        text = line.decode()
        row = json.loads(text)
        mapping = row["mapping"]
        if _line(number, mapping) == text:
            return dict(mapping)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise error("mapping_changed", path=path, line=number) from None
