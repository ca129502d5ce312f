"""Files of mappings: for each redacted record, what leads from its numbers and fakes back to the values.

JSON Lines: {"record": its number in the output, from 1, "mapping": {placeholder: value}, "sha256": of all before it}.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def read(file: Iterable[bytes], path: str | Path) -> Iterator[dict[str, str]]:
    """The mappings of a file's lines, in order. Raises SettingError at the first one that is not as it was written."""
    for number, line in enumerate(file, 1):
        yield _read(path, number, line)


def digest(mappings: Iterable[Mapping[str, str]]) -> tuple[int, str]:
    """How many mappings these are, and what tells them from others."""
    found, count = hashlib.sha256(), 0
    for count, mapping in enumerate(mappings, 1):
        found.update(_line(count, mapping).encode())
    return count, found.hexdigest()[:16]


def _read(path: str | Path, number: int, line: bytes) -> dict[str, str]:
    try:
        text = line.decode()
        row = json.loads(text)
        mapping = row["mapping"]
        if _line(number, mapping) == text:
            return dict(mapping)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise error("mapping_changed", path=path, line=number) from None
