"""What a request may hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """body_bytes, texts and characters (of a text) of a request; `requests`: how many may be under way."""

    body_bytes: int = 16 << 20
    texts: int = 1024
    characters: int = 1_000_000
    requests: int = 2048
