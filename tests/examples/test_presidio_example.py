"""The example for Presidio runs, in this process and against a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.servers import Server

SCRIPT = Path(__file__).parent.parent.parent / "examples" / "presidio_example.py"


@pytest.mark.parametrize("behind_http", [True, pytest.param(False, marks=pytest.mark.long)])
def test_it_replaces_names_and_addresses(server: Server, behind_http: bool) -> None:
    command = [sys.executable, str(SCRIPT), *([server.url] if behind_http else [])]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Hi, I'm <PERSON> from <LOCATION>: <EMAIL_ADDRESS>."
