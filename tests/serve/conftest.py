"""One server and one engine in this process for all tests of what the demo model answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.serve.servers import Server, listening, start

if TYPE_CHECKING:
    from vtag import LLM


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, LLM]]:
    """The demo model in float32, served and in this process; both start at once."""
    from vtag import LLM

    log = tmp_path_factory.mktemp("serve") / "log"
    process = start("demo", log, "--dtype", "float32")
    try:
        with LLM(model="demo", dtype="float32") as llm:
            yield listening(process, log), llm
    finally:
        process.terminate()
        assert process.wait(60) == 0


@pytest.fixture(scope="session")
def server(started: tuple[Server, LLM]) -> Server:
    return started[0]


@pytest.fixture(scope="session")
def llm(started: tuple[Server, LLM]) -> LLM:
    return started[1]
