"""Killed at any moment, again and again, a run gives the bytes of one that was left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import chaos


@pytest.mark.timeout(280)
def test_four_kills(tmp_path: Path) -> None:
    assert chaos(tmp_path, kills=4, seed=0, records=3000) == 4


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_kills(tmp_path: Path) -> None:
    assert chaos(tmp_path, kills=20, seed=1, records=10_000) == 20
