"""Killed at any moment, again and again, a run gives the bytes of one that was left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def chaos(*arguments: int) -> str:
    """In a process of its own, for it forks."""
    command = [sys.executable, "-m", "tests.chaos", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_four_kills() -> None:
    assert chaos(4, 0, 1000).startswith("4 kills, all bytes equal")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_kills() -> None:
    assert chaos(20, 1, 6000).startswith("20 kills, all bytes equal")
