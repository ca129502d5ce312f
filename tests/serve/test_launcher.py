"""The life of a server, as real processes: who may come in, how it ends, and what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from tests import scripts
from tests.checkpoints import good
from tests.parity.checkpoints import build
from tests.serve.protocols.router import Mapping, RejectedError, accepted
from tests.serve.protocols.test_vtag import CLOSE, TEXTS, assert_equal
from tests.serve.servers import Server, listening, serving, start

if TYPE_CHECKING:
    from vtag import LLM

KEY = "k-Yxcvbnm"
SENTENCE = "Hi, I'm Marisol Okonkwo from Dunmere, call me on 555-0100 about the Quellbrook house. "
DOCUMENT = SENTENCE * 100
IN_FLIGHT = 16
PAGE = "https://app.example.com"
OPEN = {"/health", "/ping", "/version", "/metrics", "/v2/health/live", "/v2/health/ready", "/playground"}


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 token classifier with random weights, which vLLM runs itself, for texts in English and Norwegian."""
    folder = build("qwen2", tmp_path_factory.mktemp("models") / "some-decoder", seed=0, num_labels=5)
    (folder / "README.md").write_text("---\nlanguage:\n- en\n- no\n---\n")
    return folder


OPTIONS = ["--dtype", "float32", "--engine", f"kv_cache_memory_bytes={1 << 26}", "--max-requests", str(IN_FLIGHT)]


@pytest.fixture(scope="module")
def guarded(decoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of it with two keys and other limits."""
    options = [*OPTIONS, "--api-key", KEY, "--api-key", "another", "--max-texts", "40", "--access-log"]
    options += ["--cors-origin", PAGE, "--allowed-host", "tag.example.com"]
    patch = pytest.MonkeyPatch()
    patch.setenv("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "1")
    with serving(decoder, tmp_path_factory.mktemp("guarded") / "log", *options) as server:
        patch.undo()
        yield server


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, seconds: float) -> bool:
    """Whether that process ends in time."""
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


def many(server: Server, pool: ThreadPoolExecutor, document: str = DOCUMENT) -> list[Future[httpx.Response]]:
    """Requests that are under way, and will be for a while."""
    headers = {"Authorization": f"Bearer {KEY}"}
    asked = [pool.submit(server.post, "/v1/tag", {"input": document}, headers=headers) for _ in range(IN_FLIGHT)]
    time.sleep(0.5)
    assert not any(request.done() for request in asked)
    return asked


def test_a_decoder_answers_as_llm_tag(guarded: Server, decoder: Path) -> None:
    from vtag import LLM

    texts = [*TEXTS[:39], "\n".join(TEXTS)[:5000]]
    with LLM(model=decoder, dtype="float32", kv_cache_memory_bytes=1 << 26) as llm:
        assert not llm.packed
        plain = [[span.to_dict() for span in row] for row in llm.tag(texts)]
        (simple,) = llm.tag(texts[0], aggregation_strategy="simple")
        (rows,) = llm.encode(texts[-1])
    headers = {"Authorization": f"Bearer {KEY}"}
    assert_equal(guarded.post("/v1/tag", {"input": texts}, headers=headers).json()["results"], plain)
    found = guarded.post("/models/some-decoder", {"inputs": texts[0]}, headers=headers).json()
    assert found == [{**span.to_hf(), "score": pytest.approx(span.score, abs=CLOSE)} for span in simple]
    assert sum(map(len, plain)) > 100
    asked = {"input": texts[-1], "use_activation": False}
    pooled = guarded.post("/pooling", asked, headers=headers).json()["data"][0]["data"]
    np.testing.assert_allclose(np.array(pooled), rows.data, atol=CLOSE)
    assert len(pooled) > 10 * 130


@pytest.fixture
def routes(llm: LLM) -> set[tuple[str, str]]:
    """Method and path of all routes of the app, also of those that its OpenAPI does not tell of."""
    from vtag.compat import vllm_server
    from vtag.serve.http.middleware import remove_unused_routes
    from vtag.serve.plugin import Plugin

    args = vllm_server.arguments()
    args.enable_offline_docs = False  # a folder of files, not a route
    app = vllm_server.build_app(args, ("classify", "token_classify"), llm.llm_engine.vllm_config.model_config)
    Plugin().attach_router(app)  # vLLM itself asks VLLM_PLUGINS, once a process
    remove_unused_routes(app)
    found = {
        (method, re.sub(r"\{.*?\}", "some-decoder", route.path))
        for route in app.routes
        for method in getattr(route, "methods", None) or {"GET"}
    }
    assert found >= {("POST", "/pooling"), ("GET", "/metrics"), ("POST", "/"), ("GET", "/v2/health/live")}
    return found


def test_without_the_key_only_monitors_and_the_page_come_in(guarded: Server, routes: set[tuple[str, str]]) -> None:
    known = {"Authorization": f"Bearer {KEY}"}
    described = guarded.get("/openapi.json", headers=known).json()["paths"]
    assert {path.format(name="some-decoder") for path in described} <= {path for _, path in routes}
    nowhere = {("GET", "/nowhere"), ("GET", "//health"), ("GET", "/health/x"), ("POST", "/v1/load_lora_adapter")}
    others = {("GET", "/"), ("OPTIONS", "/v1/tag"), ("PUT", "/pooling"), ("GET", "/metrics/x")}
    for method, path in routes | nowhere | others:
        for headers in ({}, {"Authorization": f"Bearer {KEY}x"}, {"Authorization": KEY}, {"Authorization": "Bearer"}):
            answer = httpx.request(method, guarded.url + path, headers=headers, timeout=60)
            assert (answer.status_code == 401) is (path not in OPEN), (method, path, answer.text)
            if answer.status_code == 401 and method != "HEAD":
                says = answer.json()["message" if path.startswith("/api/v1/text/") else "error"]
                assert says.startswith("no API key, or a wrong one")
                assert answer.headers["www-authenticate"] == "Bearer"
        status = httpx.request(method, guarded.url + path, headers=known, timeout=60).status_code
        assert status != 401, (method, path)
        assert (status == 404) is ((method, path) in nowhere), (method, path)
    page = guarded.get("/playground/", follow_redirects=True)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "some-decoder" not in page.text
    assert guarded.get("/nowhere", headers=known).json()["error_type"] == "no_route"
    assert guarded.post("/", {"inputs": "a"}, headers={"Authorization": "bearer another"}).status_code == 200


def test_a_page_and_a_name_that_are_allowed_come_in(guarded: Server) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    for route in ("/v1/tag", "/pooling"):
        preflight = httpx.options(guarded.url + route, headers={"Origin": PAGE, **asks})
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, PAGE)
        assert "authorization" in preflight.headers["access-control-allow-headers"]
    for origin, status in ((PAGE, 200), ("https://other.example.com", 403), ("https://tag.example.com", 200)):
        headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Authorization": f"Bearer {KEY}"}
        answer = guarded.post("/v1/tag", {"input": "a"}, headers=headers)
        assert answer.status_code == status
        assert (answer.headers.get("access-control-allow-origin") == PAGE) is (origin == PAGE)
        if origin == PAGE:
            assert "x-vtag-complete" in answer.headers["access-control-expose-headers"].lower()
    for host, status in (("tag.example.com", 200), ("other.example.com", 421)):
        assert httpx.get(f"{guarded.url}/health", headers={"Host": host}).status_code == status


def test_a_router_takes_no_failure_for_an_answer(guarded: Server, decoder: Path) -> None:
    mapping = Mapping(frozenset(f"LABEL_{i}" for i in range(5)))
    key = {"Authorization": f"Bearer {KEY}"}

    def asks(body: Any, headers: dict[str, str]) -> int:
        answer = guarded.post("/classify", body, headers=headers)
        try:
            accepted(answer.status_code, answer.content, SENTENCE, mapping)
        except RejectedError:
            assert answer.status_code != 200
            assert "x-vtag-complete" not in answer.headers
        return answer.status_code

    assert asks({"inputs": SENTENCE}, key) == 200
    assert asks({"inputs": SENTENCE}, {}) == asks({"inputs": SENTENCE}, {"Authorization": "Bearer x"}) == 401
    assert asks({"inputs": [SENTENCE] * 41}, key) == asks({"inputs": "x" * 1_000_001}, key) == 413
    assert asks({"inputs": SENTENCE, "parameters": {"context": "", "question": ""}}, key) == 422
    assert asks({"inputs": DOCUMENT}, {**key, "X-Request-Timeout": "0.01"}) == 503
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        asked = many(guarded, pool, SENTENCE * 40)
        assert asks({"inputs": SENTENCE}, key) == 429
        assert [request.result().status_code for request in asked] == [200] * IN_FLIGHT


def test_another_language_than_the_models_is_refused(guarded: Server) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    for language in ("en", "EN-us", "no"):
        asked = {"text": "a", "language": language}
        assert guarded.post("/analyze", asked, headers=headers).status_code == 200
        assert guarded.get(f"/recognizers?language={language}", headers=headers).json() == ["some-decoder"]
    refused = guarded.post("/analyze", {"text": "a", "language": "de"}, headers=headers)
    for answer in (refused, guarded.get("/supportedentities?language=de", headers=headers)):
        assert (answer.status_code, answer.json()["error_type"]) == (422, "other_language")
        assert answer.json()["error"] == "this model supports en, no: send one of these, or leave the language out"


def test_a_limit_may_be_another(guarded: Server) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    assert guarded.post("/v1/tag", {"input": ["a"] * 40}, headers=headers).status_code == 200
    assert guarded.post("/v1/tag", {"input": ["a"] * 41}, headers=headers).json()["error"] == (
        "more than 40 texts in a request: send less at once, or raise --max-texts"
    )
    assert guarded.get("/info", headers=headers).json()["limits"]["texts"] == 40


def test_it_listens_on_this_machine_alone_and_says_how_to_ask(guarded: Server) -> None:
    assert guarded.url.startswith("http://127.0.0.1:")
    log = guarded.log.read_text("utf-8")
    assert f"curl {guarded.url}/v1/tag -H 'Authorization: Bearer KEY'" in log
    assert KEY not in log


def test_an_access_log_has_a_line_a_request_and_nothing_that_was_sent(guarded: Server) -> None:
    secret = "Quellbrook"
    headers = {"Authorization": f"Bearer {KEY}"}
    before = len(guarded.log.read_text("utf-8").splitlines())
    guarded.post("/v1/tag", {"input": secret}, headers=headers)
    guarded.post(f"/models/{secret}", {"inputs": secret}, headers=headers)
    guarded.get(f"/{secret}?text={secret}", headers=headers)
    guarded.get("/info", headers={"Authorization": secret})
    guarded.get("/health")
    lines = guarded.log.read_text("utf-8").splitlines()[before:]
    assert [re.sub(r" \d+\.\d ms [0-9a-f]{32}$", "", line) for line in lines] == [
        "127.0.0.1 POST /v1/tag 200",
        "127.0.0.1 POST /models/{name:path} 404",
        "127.0.0.1 GET - 404",
        "127.0.0.1 GET /info 401",
        "127.0.0.1 GET /health 200",
    ]
    assert secret not in guarded.log.read_text("utf-8")


def test_sigterm_ends_it_after_what_is_under_way_and_nothing_is_left(
    decoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the shell starts it, in a process that imports all anew."""
    with tempfile.TemporaryDirectory() as folder:  # not pytest's: names of sockets must be short
        monkeypatch.setenv("TMPDIR", folder)
        with serving(decoder, tmp_path / "log", *OPTIONS, cold=True) as server, ThreadPoolExecutor(IN_FLIGHT) as pool:
            engine = server.engine
            asked = many(server, pool)
            one_more = server.post("/", {"inputs": "a"})
            assert (one_more.status_code, one_more.json()["error_type"]) == (429, "overloaded")
            for process in (engine, server.process.pid):  # as systemd does
                os.kill(process, signal.SIGTERM)
            answers = [request.result() for request in asked]
            assert [answer.status_code for answer in answers] == [200] * IN_FLIGHT
            spans = [answer.json()["results"][0]["spans"] for answer in answers]
            assert spans[0][-1]["end"] > len(DOCUMENT) - len(SENTENCE)
            assert all(len(row) == len(spans[0]) for row in spans)
            assert server.process.wait(10) == 0
            assert gone(engine, 1)
            with pytest.raises(httpx.ConnectError):
                server.get("/health")
        assert [path.name for path in Path(folder).iterdir() if not path.name.startswith("torchinductor_")] == []


@pytest.mark.long
def test_when_the_engine_is_killed_all_are_told_and_it_ends(tmp_path: Path) -> None:
    with (
        serving("demo", tmp_path / "log") as server,
        ThreadPoolExecutor(IN_FLIGHT) as pool,
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as slow,
    ):
        slow.sendall(b"POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        asked = many(server, pool, DOCUMENT * 5)
        killed = time.monotonic()
        os.kill(server.engine, signal.SIGKILL)
        answers = [request.result() for request in asked]
        assert [(answer.status_code, answer.json()["error_type"]) for answer in answers] == [
            (503, "engine_gone")
        ] * IN_FLIGHT
        assert server.process.wait(10) == 1
        assert time.monotonic() - killed < 6
    assert "Traceback" not in server.log.read_text("utf-8")


def test_a_taken_port_or_a_broken_model_is_one_line_before_anything_starts(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cases = {
            (str(broken), "--port", "0"): (3, "vtag: .*: no config.json in this folder.*"),
            ("/no/such/model",): (3, "vtag: /no/such/model: no such folder.*"),
            ("demo", "--port", str(port)): (5, f"vtag: 127.0.0.1, port {port}: cannot listen there .*--port"),
            ("demo", "--port", "65536"): (5, "vtag: .*no such port.*"),
            ("demo", "--api-key", ""): (2, "vtag: --api-key is empty.*"),
            ("demo", "--max-texts", "0"): (2, "vtag: --max-texts must be at least 1"),
            ("demo", "--engine", "enable_lora=true"): (2, "vtag: vtag serve takes no LoRA.*"),
            ("demo", "--engine", "api_server_count=2"): (2, "vtag: api_server_count > 1 is not supported .*"),
        }
        processes = [start(model, tmp_path / str(n), *options) for n, (model, *options) in enumerate(cases)]
        for n, (process, (code, line)) in enumerate(zip(processes, cases.values(), strict=True)):
            said = (tmp_path / str(n)).read_text("utf-8") if process.wait(60) is not None else ""
            assert process.returncode == code
            assert re.fullmatch(f"{line}\n", said), said


@pytest.mark.long
def test_a_model_that_only_the_engine_finds_broken_is_one_line_too(tmp_path: Path) -> None:
    folder = good(tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    weights["bert.encoder.layer.1.output.dense.weight"][0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    process = start(folder, tmp_path / "log")
    assert process.wait(120) == 3
    said = (tmp_path / "log").read_text("utf-8")
    assert re.fullmatch("vtag: broken: NaN or infinity in the weights, .*\n", said), said


@pytest.mark.long
def test_why_an_engine_did_not_start_is_told_whatever_vllm_logs(tmp_path: Path) -> None:
    code = """
import vllm.v1.engine.core as core

def broken(*args, **kwargs):
    core.logger.error("other words than ever", exc_info=True)
    raise RuntimeError("no engine today")

core.EngineCoreProc.__init__ = broken
core.logger.exception = lambda *args, **kwargs: core.logger.error("of another kind", exc_info=True)
from vtag.cli.main import main

raise SystemExit(main(["serve", "demo", "--port", "0"]))
"""
    done = scripts.run(["-c", code], timeout=120)
    assert done.returncode != 0
    assert re.fullmatch("vtag: demo: .*no engine today.*\n", done.stderr), done.stderr


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_told_to_end_while_it_loads_it_ends(tmp_path: Path, number: signal.Signals, code: int) -> None:
    for seconds in (2, 7):
        process = start("demo", tmp_path / "log", cold=True)
        time.sleep(seconds)
        process.send_signal(number)
        assert process.wait(15) == code
        assert (tmp_path / "log").read_text("utf-8") == ""


@pytest.mark.long
def test_ctrl_c_ends_it_and_a_killed_server_takes_its_engine_along(tmp_path: Path) -> None:
    with serving("demo", tmp_path / "log") as server:
        for terminal in (server.engine, server.process.pid):
            os.kill(terminal, signal.SIGINT)
        assert server.process.wait(10) == 130
    process = start("demo", tmp_path / "log")
    engine = listening(process, tmp_path / "log").engine
    process.kill()
    assert process.wait(10) == -signal.SIGKILL
    assert gone(engine, 2)
