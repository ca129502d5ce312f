"""Who may ask: not the pages of other sites, and not under a foreign name where the server is this machine's own."""

from __future__ import annotations

import httpx
import pytest
from starlette.types import Scope

from tests.serve.servers import Server
from vtag.errors import VtagError
from vtag.serve.http.middleware import AccessPolicy, is_local

TAG = "/v1/tag"
HERE = "http://127.0.0.1:8000"
PAGE = "https://app.example.com"


def refused(access: AccessPolicy, method: str = "POST", path: str = TAG, **headers: str) -> str | None:
    """The kind of error for such a request; header names with _ for -."""
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: Scope = {"type": "http", "method": method, "path": path, "headers": pairs}
    try:
        access.check(scope)
    except VtagError as error:
        return error.kind
    return None


LOCAL = ["localhost", "localhost:8000", "LOCALHOST", "a.localhost", "127.0.0.1", "127.0.0.1:1", "127.9.9.9", "[::1]:80"]
FOREIGN = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.1",
    "[2001:db8::1]",
    "",
    "[",
    "x@",
]


@pytest.mark.parametrize("host", LOCAL)
def test_on_loopback_local_names_are_answered(host: str) -> None:
    assert is_local(host)
    assert refused(AccessPolicy(local=True), host=host) is None


@pytest.mark.parametrize("host", FOREIGN)
def test_on_loopback_other_names_are_not_unless_they_are_allowed(host: str) -> None:
    assert refused(AccessPolicy(local=True), host=host) == "foreign_host"
    assert refused(AccessPolicy(local=False), host=host) is None
    named = AccessPolicy(local=True, hosts={"tag.example.com"})
    assert refused(named, host=host) == "foreign_host"
    assert refused(named, host="tag.example.com:443") is None
    assert refused(named, host="127.0.0.1") is None


@pytest.mark.parametrize("path", [TAG, "/", "/pooling", "/health", "/playground", "/nowhere"])
def test_pages_of_other_sites_may_not_ask_on_any_route(path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        for origin in (PAGE, "null", "http://localhost:3000", "http://127.0.0.1:8001", "https://127.0.0.1", ""):
            assert (
                refused(AccessPolicy(local=True), method, path, host="127.0.0.1:8000", origin=origin)
                == "foreign_origin"
            )
        assert refused(AccessPolicy(), method, path, host="tag.internal", origin=PAGE) == "foreign_origin"
        assert (
            refused(AccessPolicy(), method, path, host="127.0.0.1:8000", sec_fetch_site="cross-site")
            == "foreign_origin"
        )


def test_the_servers_own_page_may_ask_under_any_name_that_it_answers_to() -> None:
    assert refused(AccessPolicy(local=True), host="127.0.0.1:8000", origin=HERE, sec_fetch_site="same-origin") is None
    proxied = AccessPolicy(local=True, hosts={"tag.example.com"})
    assert refused(proxied, host="tag.example.com", origin="https://tag.example.com") is None
    # A proxy that passes its own name for it on.
    assert refused(proxied, host="127.0.0.1:8000", origin="https://tag.example.com") is None
    assert refused(proxied, host="127.0.0.1:8000", origin=PAGE) == "foreign_origin"


def test_pages_that_are_named_may_ask_and_links_may_lead_to_the_page() -> None:
    access = AccessPolicy(local=True, origins={PAGE})
    assert refused(access, host="localhost", origin=PAGE, sec_fetch_site="cross-site") is None
    assert refused(access, host="localhost", origin=f"{PAGE}:8443") == "foreign_origin"
    link = {"host": "localhost", "sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert refused(access, "GET", "/playground", **link) is None
    assert refused(access, "POST", TAG, **link) == "foreign_origin"


def test_a_key_is_asked_for_after_that() -> None:
    access = AccessPolicy(["k"], local=True)
    assert refused(access, host="localhost") == "wrong_key"
    assert refused(access, host="localhost", authorization="Bearer k") is None
    assert refused(access, host="localhost", **{"x-api-key": "k"}) is None
    for headers in ({"x-api-key": "kk"}, {"x-api-key": ""}, {"x-api-key": "k", "authorization": "Bearer x"}):
        assert refused(access, host="localhost", **headers) == "wrong_key"
    assert refused(access, host="evil.example", authorization="Bearer k") == "foreign_host"


ROUTES = [TAG, "/", "/analyze", "/v1/models/demo:predict", "/v2/models/demo/infer", "/pooling", "/tokenize"]


@pytest.mark.parametrize("route", [*ROUTES, "/detokenize", "/invocations"])
def test_only_json_that_says_so_is_taken(server: Server, route: str) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/octet-stream", "text/json", "json"):
        answer = httpx.post(server.url + route, content=b'{"input": "a"}', headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["error_type"]) == (415, "not_json"), kind
        assert "Content-Type: application/json" in answer.json()["error"]
    none = httpx.post(server.url + route, content=b'{"input": "a"}')
    from_page = httpx.post(server.url + route, content=b"{}", headers={"Origin": server.url})
    assert from_page.status_code == 415
    # Triton's client names no type, and is no page.
    assert (none.status_code == 415) is (route != "/v2/models/demo/infer")
    typed = httpx.post(server.url + route, content=b"{}", headers={"Content-Type": "application/vnd.x+json"})
    assert typed.status_code in (400, 422)


def test_a_page_that_may_ask_gets_what_its_browser_wants_to_see(server: Server) -> None:
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    for route in (TAG, "/pooling"):
        assert httpx.options(server.url + route, headers=headers).status_code == 403
        assert httpx.post(server.url + route, json={"input": "a"}, headers={"Origin": PAGE}).status_code == 403
    assert httpx.get(f"{server.url}/info", headers={"Host": "rebind.example"}).status_code == 421


def test_monitors_may_ask_by_head_and_with_a_slash(server: Server) -> None:
    for path in ("/health", "/health/", "/v2/health/live", "/v2/", "/ping", "/info/"):
        got, head = (httpx.request(method, server.url + path) for method in ("GET", "HEAD"))
        assert got.status_code == head.status_code == 200, path
        assert head.content == b""
    assert httpx.get(f"{server.url}/nowhere/", headers={"Host": "localhost"}).status_code == 404


def test_routes_of_vllms_that_nobody_needs_are_not_there(server: Server) -> None:
    for path in (
        "/v1/systemone",
        "/load",
        "/kv_event_sources",
        "/redoc",
        "/server_info",
        "/reset_mm_cache",
    ):
        for method in ("GET", "POST"):
            answer = server.get(path) if method == "GET" else server.post(path, {"input": "a"})
            assert (answer.status_code, answer.json()["error_type"]) == (404, "no_route"), path


def test_the_model_is_told_of_by_its_name_and_its_own_limit(server: Server) -> None:
    (card,) = server.get("/v1/models").json()["data"]
    assert (card["id"], card["root"], card["max_model_len"]) == ("demo", "demo", 512)
    assert server.post("/tokenize", {"prompt": "a " * 3000}).json()["max_model_len"] == 512
    ids = server.post("/tokenize", {"prompt": "hello " * 1000}).json()["tokens"]
    assert server.post("/detokenize", {"tokens": ids}).json()["prompt"].count("hello") == 1000


def test_the_page_of_routes_loads_nothing_from_elsewhere(server: Server) -> None:
    page = server.get("/docs").text
    assert "http" not in page.replace("http-equiv", "")
    for path in ("/static/swagger-ui-bundle.js", "/static/swagger-ui.css"):
        assert path in page
        assert len(server.get(path).content) > 100_000
