"""The example for Presidio, against a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.serve.servers import Server

SCRIPT = Path(__file__).parent.parent.parent / "examples" / "presidio_example.py"


def test_it_replaces_names_and_addresses(server: Server) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), server.url], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Hi, I'm <PERSON> from <LOCATION>, my card is <CREDIT_CARD>."
