"""The configurations in docs/gateways work: with the gateway itself where it is a Python package, and else as far as
what they say of vtag.

The gateways are in an environment of their own: `make .venv-gateways/ready`.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest
import yaml

from tests.serve.protocols.test_nemo import LONG, mask
from tests.serve.protocols.test_vtag import TEXTS
from tests.serve.servers import Server

if TYPE_CHECKING:
    from vtag import LLM

ROOT = Path(__file__).parent.parent.parent
GATEWAYS = ROOT / ".venv-gateways" / "bin"
NAMED = "Hi, I'm Marisol Okonkwo from Dunmere, call me on 555-0100."
PLAIN = "It rains again."
# They are to ask nobody but vtag.
QUIET = os.environ | {"DO_NOT_TRACK": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
NOBODY = "http://127.0.0.1:9"
MASTER_KEY = "sk-0123456789abcdefghijklmnopqrstuv"


def blocks(page: str, language: str) -> list[str]:
    """The page's code in that language."""
    text = (ROOT / "docs" / "gateways" / f"{page}.md").read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def pointed_at(server: Server, config: str) -> str:
    """The configuration with the server's address in place of the page's."""
    moved = re.sub(r"http://127\.0\.0\.1:\d+", server.url, config)
    assert moved != config
    return moved


def rounded(shown: Any) -> Any:
    """JSON of a page, whose scores are rounded."""
    if isinstance(shown, list):
        return [rounded(item) for item in shown]
    if isinstance(shown, dict):
        return {name: rounded(value) for name, value in shown.items()}
    return pytest.approx(shown, abs=0.005) if isinstance(shown, float) else shown


NEMO = """
import asyncio, json, sys
from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.library.gliner.actions import gliner_detect_pii, gliner_mask_pii

asked = json.load(sys.stdin)
config = RailsConfig.from_content(yaml_content=asked["config"])

async def actions(source, text):
    try:
        blocked = (await gliner_detect_pii(source=source, text=text, config=config)).is_blocked
        masked = await gliner_mask_pii(source=source, text=text, config=config)
    except ValueError as error:
        return {"error": str(error)}
    return {"blocked": blocked, "masked": masked.metadata["masked_text"]}

async def rails(messages, kind):
    answer = await LLMRails(config).generate_async(messages=messages, options={"rails": [kind]})
    return answer.response[-1]["content"]

async def main():
    return {
        "actions": [await actions(*pair) for pair in asked.get("actions", [])],
        "rails": [await rails(*pair) for pair in asked.get("rails", [])],
    }

print(json.dumps(asyncio.run(main())))
"""


def nemo(config: str, **asked: Any) -> Any:
    """What NeMo Guardrails does with texts under a configuration."""
    assert GATEWAYS.exists(), "make .venv-gateways/ready"
    done = subprocess.run(
        [GATEWAYS / "python", "-c", NEMO],
        input=json.dumps({"config": config, **asked}),
        capture_output=True,
        text=True,
        env=QUIET,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.mark.long
@pytest.mark.parametrize("route", ["/v1/extract", "/v1/chat/completions"])
def test_nemos_actions_block_and_mask_as_llm_tag_finds(server: Server, llm: LLM, route: str) -> None:
    config = pointed_at(server, blocks("nemo", "yaml")[0]).replace("/v1/extract", route)
    texts = [*TEXTS[:8], LONG[:5_000], PLAIN, "", "Ann met Ann 👩‍👩‍👧 in Dunmere; \r\n Ann left."]
    gliner = yaml.safe_load(config)["rails"]["config"]["gliner"]
    labels: dict[str, list[str]] = {source: gliner[source]["entities"] for source in ("input", "output")}
    pairs = [(source, text) for source in labels for text in texts]
    found = nemo(config, actions=pairs)["actions"]
    wanted = []
    for (source, text), spans in zip(pairs, llm.tag([text for _, text in pairs], threshold=0.5), strict=True):
        kept = [span for span in spans if span.label in (labels[source] or [span.label])]
        masked = mask(text, [(span.start, span.end, span.label) for span in kept])
        wanted.append({"blocked": bool(kept), "masked": masked})
    assert found == wanted
    assert {row["blocked"] for row in found} == {True, False}


@pytest.mark.long
def test_nemos_rails_mask_what_is_asked_and_block_what_is_answered(server: Server) -> None:
    config = pointed_at(server, blocks("nemo", "yaml")[0])
    answered = [*user("Who is it?"), {"role": "assistant", "content": NAMED}]
    shown = "I'm Marisol, my phone is (415) 555-0134."
    asked = [(user(shown), "input"), (user(PLAIN), "input"), (answered, "output")]
    masked, plain, blocked = nemo(config, rails=asked)["rails"]
    page = (ROOT / "docs" / "gateways" / "nemo.md").read_text("utf-8")
    assert f"`{shown}` goes on as `{masked}`" in page
    assert plain == PLAIN
    assert "can't" in blocked
    assert "Marisol" not in blocked


@pytest.mark.long
def test_nemo_lets_nothing_through_where_a_label_is_unknown_or_the_server_is_gone(server: Server) -> None:
    config = pointed_at(server, blocks("nemo", "yaml")[0])
    unknown = config.replace("[GIVEN_NAME, SURNAME, PHONE]", "[first_name]")
    (found,) = nemo(unknown, actions=[("input", NAMED)])["actions"]
    assert "status code 422" in found["error"]
    assert "choose among GIVEN_NAME, SURNAME, EMAIL" in found["error"]
    assert "Marisol" not in nemo(unknown, rails=[(user(NAMED), "input")])["rails"][0]
    nobody = config.replace(server.url, NOBODY)
    assert "Marisol" not in nemo(nobody, rails=[(user(NAMED), "input")])["rails"][0]


@pytest.mark.long
def test_nemos_classifier_rails_ask_by_fms_route(server: Server) -> None:
    config = pointed_at(server, blocks("nemo", "yaml")[1])
    named, plain, other = nemo(
        config, rails=[(user(NAMED), "input"), (user(PLAIN), "input"), (user("Call 555-0100."), "input")]
    )["rails"]
    assert "can't" in named
    assert (plain, other) == (PLAIN, "Call 555-0100.")  # a phone number is not among its blocked labels


class Model(BaseHTTPRequestHandler):
    """A language model by OpenAI's protocol. It answers with `answer`, or with what it was asked, and notes that."""

    asked: ClassVar[list[str]] = []
    answer: ClassVar[str | None] = None

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Model.asked.append(body["messages"][-1]["content"])
        text = Model.answer or Model.asked[-1]
        whole = {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o"}
        choice = {"index": 0, "finish_reason": "stop"}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if body.get("stream") else "application/json")
        self.end_headers()
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            self.wfile.write(json.dumps(whole | {"choices": [choice | {"message": message}]}).encode())
            return
        for at in range(0, len(text) + 4, 4):
            delta = {"role": "assistant", "content": text[at : at + 4]} if text[at:] else {}
            reason = None if text[at:] else "stop"
            choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
            event = whole | {"object": "chat.completion.chunk", "choices": choices}
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def language_model() -> Iterator[str]:
    """Its address."""
    Model.asked, Model.answer = [], None
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def chat(url: str, text: str, **more: Any) -> httpx.Response:
    """A question to LiteLLM's proxy."""
    body = {"model": "gpt-4o", "messages": user(text), **more}
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60)


@contextmanager
def litellm(config: str, folder: Path, model_at: str) -> Iterator[str]:
    """LiteLLM's proxy under a configuration, with that model, and with a second guardrail, "gone", for which nobody is
    there; its address.
    """
    assert GATEWAYS.exists(), "make .venv-gateways/ready"
    content = yaml.safe_load(config)
    for model in content["model_list"]:
        model["litellm_params"] |= {"api_key": "none", "api_base": model_at}
    (guardrail,) = content["guardrails"]
    gone = {**guardrail["litellm_params"], "default_on": False}
    gone |= {name: NOBODY for name, value in gone.items() if str(value).startswith("http")}
    content["guardrails"].append({"guardrail_name": "gone", "litellm_params": gone})
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(content))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(GATEWAYS / "litellm"), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    environment = QUIET | {"LITELLM_MASTER_KEY": MASTER_KEY}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 120
        while not _answers(f"{url}/health/liveliness"):
            assert time.monotonic() < end, (folder / "log").read_text("utf-8")[-3000:]
            assert process.poll() is None, (folder / "log").read_text("utf-8")[-3000:]
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


PHONE = "Call me on (415) 555-0134."


@pytest.mark.long
@pytest.mark.parametrize("number", [1, 2], ids=["presidio", "fms"])
def test_litellms_proxy_blocks_and_masks_what_vtag_finds(renamed: Server, tmp_path: Path, number: int) -> None:
    config = pointed_at(renamed, blocks("litellm", "yaml")[number])
    with language_model() as model, litellm(config, tmp_path, model) as url:
        plain = chat(url, PLAIN)
        assert (plain.status_code, plain.json()["choices"][0]["message"]["content"]) == (200, PLAIN)
        named, long = chat(url, PHONE), chat(url, PLAIN * 10_000 + PHONE)
        assert named.status_code == long.status_code == (400, 500)[number - 1]
        gone = chat(url, PLAIN, guardrails=["gone"])
        assert gone.status_code >= 400
        assert Model.asked == [PLAIN]
        if number == 1:  # it masks too, by /analyze and /anonymize
            for text in ("I'm Marisol Okonkwo.", "Ask Ann Lee, or Bob Jones."):
                assert chat(url, text).status_code == 200
            assert Model.asked[1:] == ["I'm <PERSON>.", "Ask <PERSON>, or <PERSON>."]


@pytest.mark.long
def test_litellms_generic_guardrail_redacts_prompts_answers_and_streams(
    server: Server, llm: LLM, tmp_path: Path
) -> None:
    """The client sees what `redact_stream` gives, in parts, whatever pieces the answer comes in."""
    config = pointed_at(server, blocks("litellm", "yaml")[0])
    with language_model() as model, litellm(config, tmp_path, model) as url:
        found = chat(url, NAMED)
        assert Model.asked == [llm.redact(NAMED)[0].text] != [NAMED]
        assert found.json()["choices"][0]["message"]["content"] == Model.asked[0]
        for answer in (NAMED, " ".join([*TEXTS[:6], NAMED, *TEXTS[6:12]])):
            Model.answer = answer
            expected = "".join(part.text for part in llm.redact_stream([answer]))
            assert chat(url, PLAIN).json()["choices"][0]["message"]["content"] == expected != answer
            response = chat(url, PLAIN, stream=True)
            events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
            parts = [event["choices"][0]["delta"].get("content") or "" for event in events]
            assert "".join(parts) == expected, response.text
            assert len([part for part in parts if part]) > len(answer) // 512
        asked = len(Model.asked)
        assert chat(url, PLAIN, guardrails=["gone"]).status_code >= 400
        assert len(Model.asked) == asked


def test_the_orchestrators_configuration_leads_to_the_route_that_answers(server: Server) -> None:
    (config,) = map(yaml.safe_load, blocks("fms", "yaml"))
    (detector,) = config["detectors"].values()
    assert set(detector) == {"type", "service", "chunker_id", "default_threshold"}
    assert (detector["type"], detector["chunker_id"]) == ("text_contents", "whole_doc_chunker")
    assert server.get("/health").status_code == 200
    (shown,) = map(json.loads, blocks("fms", "json"))
    found = server.post("/api/v1/text/contents", {"contents": ["Call Ann on 555-0100."]}).json()
    assert found == rounded(shown)


def test_semantic_routers_configuration_names_the_route_the_contract_and_the_model(server: Server) -> None:
    (config,) = map(yaml.safe_load, blocks("semantic-router", "yaml"))
    catalog = config["global"]["model_catalog"]
    (external,) = catalog["external"]
    pii = catalog["modules"]["classifier"]["pii"]
    assert pii["backend"]["model"] == external["name"]
    assert (pii["backend"]["protocol"], pii["backend"]["contract"]) == ("http_classify", "token_spans.v1")
    assert external["llm_model_name"] == server.get("/info").json()["model"]
    (shown,) = map(json.loads, blocks("semantic-router", "json"))
    found = server.post("/classify", {"inputs": "Call Ann on 555-0100."}).json()
    assert found == rounded(shown)


def test_the_plain_response_on_nemos_page_is_the_servers(server: Server) -> None:
    (shown,) = map(json.loads, blocks("nemo", "json"))
    found = server.post("/v1/extract", {"text": "Call Ann.", "labels": ["GIVEN_NAME"]}).json()
    assert found == rounded(shown)
