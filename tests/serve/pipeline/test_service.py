"""What the routes do not do is refused in one line."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.datastructures import State
from starlette.testclient import TestClient

from vtag.errors import VtagError
from vtag.serve.limits import Limits
from vtag.serve.pipeline.redaction import Redaction
from vtag.serve.pipeline.service import Service
from vtag.serve.plugin import Plugin

if TYPE_CHECKING:
    from vtag import LLM


def test_names_of_other_models_and_of_adapters_are_refused(llm: LLM) -> None:
    no_engine: Any = None
    names, redaction = ["one", "two"], Redaction(llm.tagger.names.of_spans)
    service = Service(no_engine, llm.tagger, names, Limits(), adapters={"lora"}, languages=[], redaction=redaction)
    service.check_name("one")
    service.check_name("two")
    for name, kind in (("three", "other_model"), ("lora", "adapter_over_http")):
        with pytest.raises(VtagError) as raised:
            service.check_name(name)
        assert raised.value.kind == kind


def test_several_api_servers_of_vllms_are_refused_by_each_route() -> None:
    app = FastAPI()
    app.state.args = Namespace(api_key=None, api_server_count=2)
    plugin = Plugin()
    plugin.attach_router(app)
    no_engine: Any = None
    asyncio.run(plugin.init_state(no_engine, State(app.state._state), app.state.args))
    client = TestClient(app)
    for method, path in (("POST", "/v1/tag"), ("POST", "/"), ("POST", "/analyze"), ("GET", "/v2/health/ready")):
        answer = client.request(method, path, json={"input": "a"} if method == "POST" else None)
        assert (answer.status_code, answer.json()["error_type"]) == (422, "several_servers")
        assert "api_server_count" in answer.json()["error"]
    assert client.get("/v2/health/live").status_code == 200
