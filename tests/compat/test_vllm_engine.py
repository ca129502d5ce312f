"""How an engine ends, by what its client has and not by what that is called."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from vtag.compat import vllm_engine


class Client:
    """As vLLM's clients: one finalizer, under any name."""

    def __init__(self, ended: list[str]) -> None:
        self.renamed = weakref.finalize(self, ended.append, "by vLLM")
        self.other = 1


@pytest.fixture
def ended() -> list[str]:
    return []


def test_an_engine_is_ended_once(ended: list[str]) -> None:
    client = Client(ended)
    vllm_engine.end(client)
    vllm_engine.end(client)
    del client
    assert ended == ["by vLLM"]


def test_an_engine_left_alone_is_not_ended(ended: list[str]) -> None:
    client = Client(ended)
    vllm_engine.detach(client)
    del client
    assert ended == []


def test_where_vllm_would_end_an_engine_vtag_does(ended: list[str]) -> None:
    client = Client(ended)

    def end(core: Any) -> None:
        ended.append(f"{core} by vtag")

    vllm_engine.replace_finalizer(client, end, "core")
    assert client.renamed.alive
    assert not client.renamed.atexit
    del client
    assert ended == ["core by vtag"]


def test_a_client_without_a_finalizer_or_with_two_is_no_client_that_vtag_knows() -> None:
    class Bare: ...

    class Two(Client):
        def __init__(self) -> None:
            super().__init__([])
            self.second = weakref.finalize(self, print)

    for client in (Bare(), Two()):
        with pytest.raises(ValueError, match="unpack"):
            vllm_engine.finalizer(client)
