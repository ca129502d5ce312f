"""Neither values nor keys nor mappings are in a log, a metric or an error of a server that redacts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.redact.given import KEY
from tests.serve.servers import NO_TLS, Server, serving

VALUES = ["Zebedee", "Quillfeather", "zebedee@quillfeather.org", "Dunmere"]
TEXT = "I'm Zebedee Quillfeather from Dunmere, zebedee@quillfeather.org."
POLICY = 'default = "token"\ndeny = ["Dunmere"]\n[labels]\nSURNAME = "fake"\nGIVEN_NAME = "hash"\n'
SPAN = {"start": 4, "end": 11, "entity_type": "GIVEN_NAME", "score": 0.9}
LINES = {"Content-Type": "application/x-ndjson"}


def asked(server: Server) -> list[httpx.Response]:
    """All that redacts, and mistakes in it, with the values in every place that a client can put them."""
    answers = []

    def post(route: str, body: Any, **more: Any) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | more.pop("headers", {})
        answers.append(httpx.post(server.url + route, content=content, headers=headers, timeout=60, verify=NO_TLS))
        return answers[-1]

    sealed = post("/v1/redact", {"input": TEXT, "return_mapping": True}).json()["results"][0]["text"]
    for wrong in (
        {"default": TEXT},
        {"default": {"action": "mask", TEXT: TEXT}},
        {"labels": {TEXT: "mask"}},
        {"deny": [TEXT], "default": "number", "key": KEY},
        {"key": {"env": KEY}},
        {"default": {"action": "hash", "salt": KEY}},
        {TEXT: TEXT},
    ):
        post("/v1/redact", {"input": TEXT, "policy": wrong})
        post("/v1/redact", json.dumps({"text": TEXT, "policy": wrong}).encode(), headers=LINES)
    post("/v1/redact", {"input": [TEXT, f"{TEXT}\ud800"]})
    post("/v1/redact", f'{{"text": "{TEXT}"'.encode())
    post("/v1/redact", f'{{"text": "{TEXT}"}}\n{{"text": "{TEXT}", "more": "{TEXT}"}}\n'.encode(), headers=LINES)
    post("/v1/redact", json.dumps({"text": TEXT, "policy": {"default": "token"}}).encode() + b"\n", headers=LINES)
    post("/v1/redact", f'{{"text": "{TEXT}\\ud800"}}\n'.encode(), headers=LINES)
    post(f"/v1/{TEXT}", {"input": TEXT}, headers={"X-API-Key": KEY})
    for operator in ("hash", "encrypt", "replace", "custom", TEXT):
        body = {"text": TEXT, "analyzer_results": [SPAN], "anonymizers": {"GIVEN_NAME": {"type": operator}}}
        post("/anonymize", body)
        post("/anonymize", body | {"anonymizers": {TEXT: {"type": operator, "key": KEY}}})
    for text in (TEXT, sealed):
        post("/deanonymize", {"text": text, "anonymizer_results": [SPAN]})
    for kind in ("request", "response", TEXT):
        post("/beta/litellm_basic_guardrail_api", {"input_type": kind, "texts": [TEXT], "request_data": {TEXT: TEXT}})
    return answers


@pytest.mark.long
def test_no_log_metric_or_error_has_a_value_a_key_or_a_mapping(tmp_path: Path) -> None:
    """With all logs on."""
    (tmp_path / "policy.toml").write_text(POLICY)
    loud = {"VTAG_REDACT_KEY": KEY, "VTAG_DEBUG": "1", "VLLM_LOGGING_LEVEL": "DEBUG"}
    options = ("--policy", str(tmp_path / "policy.toml"), "--access-log", "json")
    with serving("demo", tmp_path / "log", *options, cold=True, env=loud) as server:
        answers = asked(server)
        errors = "".join(answer.text for answer in answers if answer.status_code != 200)
        said = errors + server.get("/metrics").text + Path(f"/proc/{server.process.pid}/cmdline").read_text()
        mapping = answers[0].json()["results"][0]["mapping"]
    said += (tmp_path / "log").read_text("utf-8")
    assert len(answers) > 30
    assert {200, 400, 404, 422} <= {answer.status_code for answer in answers}
    assert said.count('"route": "/v1/redact"') + said.count('"route":"/v1/redact"') > 15
    secrets = [*VALUES, KEY, *mapping, *mapping.values()]
    assert [secret for secret in secrets if secret in said] == []
