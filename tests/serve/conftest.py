"""The engine in this process that tells what the server must answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.serve.servers import Server

if TYPE_CHECKING:
    from vtag import LLM


@pytest.fixture(scope="session")
def llm(server: Server) -> Iterator[LLM]:
    """The demo model in float32, as `server` has it."""
    from vtag import LLM

    with LLM(model="demo", dtype="float32") as llm:
        yield llm
