"""Offsets in UTF-16 and UTF-8 cut out of the encoded text what the code points cut out of the string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtag.text.offsets import UNITS, positions

ENCODED = {"utf16": ("utf-16-le", 2), "utf8": ("utf-8", 1)}


@pytest.mark.parametrize("unit", ENCODED)
@given(text=st.text(st.characters(exclude_categories=["Cs"])), data=st.data())
def test_a_stretch_is_the_same_in_every_unit(unit: str, text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    at = positions(text, unit)
    first, last = (start, end) if at is None else (at[start], at[end])
    encoding, size = ENCODED[unit]
    assert text.encode(encoding)[first * size : last * size].decode(encoding) == text[start:end]


def test_code_points_stay_as_they_are() -> None:
    assert set(UNITS) == {"codepoint", *ENCODED}
    assert positions("𝒳é", "codepoint") is None
    assert positions("plain", "utf8") is None
