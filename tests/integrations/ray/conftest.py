"""One Ray cluster for all tests that need one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.integrations.ray.nodes import Nodes

# What a cluster's nodes and drivers share. Ray reads it when it is imported.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    """A head of one CPU. (Not in pytest's folder: names of sockets must be short.)"""
    with TemporaryDirectory(prefix="ray-") as folder, Nodes(Path(folder)) as made:
        yield made
