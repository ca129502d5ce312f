"""Killed at any moment, again and again, a run gives the bytes of one that was left alone."""

from __future__ import annotations

import pytest

from tests import scripts


def chaos(*arguments: int) -> str:
    """In a process of its own, for it forks."""
    done = scripts.run(["-m", "tests.chaos", *map(str, arguments)])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_kills() -> None:
    assert chaos(2, 0, 500).startswith("2 kills, all bytes equal")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_ten_kills() -> None:
    assert chaos(10, 1, 3000).startswith("10 kills, all bytes equal")
