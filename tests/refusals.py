"""What every refusal has to be: of its kind, in one short line, without the user's text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vtag.errors import VtagError


def refused(kind: str, says: str, call: Callable[[], Any]) -> None:
    """`call` raises the error of this kind, and its line has `says` in it. Texts in these tests are about Ann."""
    with pytest.raises(VtagError) as caught:
        call()
    assert caught.value.kind == kind
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Ann" not in str(caught.value)
    assert len(str(caught.value)) < 700
