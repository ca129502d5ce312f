"""Killed at any moment, again and again, a run gives the bytes of one that was left alone."""

from __future__ import annotations

import pytest

from tests.chaos import chaos


def test_four_kills() -> None:
    assert chaos(kills=4, seed=0, records=2000) == 4


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_kills() -> None:
    assert chaos(kills=20, seed=1, records=6000) == 20
