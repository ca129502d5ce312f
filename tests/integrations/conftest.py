"""One Ray cluster for all tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.integrations.nodes import Nodes


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    """Two nodes of one CPU each. (Not in pytest's folder: names of sockets must be short.)"""
    with (
        TemporaryDirectory(prefix="ray-") as folder,
        pytest.MonkeyPatch.context() as patch,
        Nodes(Path(folder)) as made,
    ):
        for name, value in made.environment.items():
            if name != "HOME":
                patch.setenv(name, value)  # Ray reads them when it is imported
        made.add()
        yield made
