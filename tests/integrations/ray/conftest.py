"""One Ray cluster for all tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.integrations.ray.nodes import Nodes


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    """A head of one CPU. (Not in pytest's folder: names of sockets must be short.)"""
    with TemporaryDirectory(prefix="ray-") as folder, Nodes(Path(folder)) as made:
        yield made
