"""Offsets in code points, as Python counts, converted to the units of other languages' strings."""

from __future__ import annotations

import numpy as np

# Sizes at which a code point takes one more unit: UTF-16 is what JavaScript, Java and C# count in, UTF-8 what Rust and
# Go do.
UNITS: dict[str, tuple[int, ...]] = {"codepoint": (), "utf16": (0x10000,), "utf8": (0x80, 0x800, 0x10000)}


def positions(text: str, unit: str) -> np.ndarray | None:
    """int64 [len(text) + 1], the offset in `unit` of each code point and of the end; None if offsets stay the same."""
    steps = UNITS[unit]
    if not steps or text.isascii():
        return None
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    at = np.zeros(len(text) + 1, np.int64)
    np.cumsum(1 + np.searchsorted(np.array(steps), codes, side="right"), out=at[1:])
    return at
