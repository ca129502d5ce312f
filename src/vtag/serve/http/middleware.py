"""Middleware around the whole app: keys, Host and Origin headers, and the routes that exist."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from vtag.errors import VtagError, error
from vtag.serve.http.body import check_type, parse_json
from vtag.serve.http.responses import refuse
from vtag.serve.http.route import Route, answer, has_key, service_of, with_body
from vtag.serve.limits import VLLM_BODY_BYTES, VLLM_CHARACTERS, Limits

# vLLM's routes that `vtag serve` answers too, and their users.
KEPT = {
    "/health": "monitors",
    "/ping": "SageMaker's monitor",
    "/version": "monitors: vLLM's version",
    "/metrics": "Prometheus",
    "/v1/models": "clients of OpenAI's API, who ask which model there is",
    "/pooling": "clients of vLLM's: logits of tokens",
    "/invocations": "SageMaker's clients: as /pooling",
    "/tokenize": "clients of vLLM's: the model's token ids",
    "/detokenize": "clients of vLLM's: the text of token ids",
    "/openapi.json": "generators of clients",
    "/static": "the scripts of /docs",
}


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Who may send requests.

    keys: a request must have one of them; empty: no key is needed.
    local: the server listens on this machine only, and so accepts only local Host names.
    hosts: further Host names that it accepts. origins: of web pages that may call it.
    """

    keys: Sequence[str] = ()
    local: bool = False
    hosts: Collection[str] = ()
    origins: Collection[str] = ()

    def check(self, scope: Scope) -> None:
        """Raise InputError for a request without access."""
        headers = Headers(scope=scope)
        host = headers.get("host")
        if host is not None and (self.local or self.hosts) and not (is_local(host) or name_of(host) in self.hosts):
            raise error("foreign_host")
        if self._is_foreign(scope["method"], headers):
            raise error("foreign_origin")
        if not has_key(scope, self.keys):
            raise error("wrong_key")

    def _is_foreign(self, method: str, headers: Headers) -> bool:
        """Whether a web page of another site sends the request. Browsers send its origin, or at least that there is
        one.
        """
        origin = headers.get("origin")
        if origin is not None:
            place = urlsplit(origin).netloc
            same = place != "" and _without_port(place) == _without_port(headers.get("host", ""))
            return not (same or origin in self.origins or name_of(place) in self.hosts)
        by_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        return headers.get("sec-fetch-site") == "cross-site" and not by_link


class AccessMiddleware:
    """Checks access, and routes requests to vtag's routes past vLLM's middlewares, or to vLLM's under vtag's limits.

    vLLM's middlewares cost as much as decoding a text.
    """

    def __init__(self, app: FastAPI, access: AccessPolicy) -> None:
        self._app = app
        self._access = access
        self._routes = [route for route in app.routes if isinstance(route, Route)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = scope["path"].rstrip("/") or "/"
        refused = None
        try:
            self._access.check(scope)
        except VtagError as raised:
            refused = raised
        # HEAD is answered as GET; uvicorn, which keeps its own scope, leaves the body out.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        if (route := self._route_of(asked)) is not None:
            await route.respond(asked, receive, send, refused)
        elif refused is not None:
            await refuse(refused, scope, receive, send)
        elif scope["method"] == "POST" and scope["path"] in KEPT:
            await self._forward_to_vllm(scope, receive, send)
        else:
            await self._app(asked, receive, send)
        scope["route"] = asked.get("route")  # for the access log

    def _route_of(self, scope: Scope) -> Route | None:
        """vtag's route with this path, preferably with this method too; the scope is prepared for it."""
        partial: tuple[Route, Scope] | None = None
        for route in self._routes:
            match, found = route.matches(scope)
            if match is not Match.NONE and (partial is None or match is Match.FULL):
                partial = route, found
            if match is Match.FULL:
                break
        if partial is None:
            return None
        scope.update(partial[1], app=self._app, route=partial[0])
        return partial[0]

    async def _forward_to_vllm(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request to a route of vLLM's, which gets the body once it is complete and within the limits."""
        scope["app"] = self._app
        request = Request(scope, receive, send)
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        async def pass_on(body: bytes) -> Response | None:
            characters = VLLM_CHARACTERS.get(scope["path"], 0)
            await service_of(request).parsed(
                partial(_check_texts, body, service_of(request).limits, characters), len(body)
            )
            await self._app(scope, _Replayed(body), sending)
            return None

        def check(headers: Headers) -> None:
            if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
                check_type(headers)

        async def ask() -> Response | None:
            return await with_body(request, check, pass_on, most=VLLM_BODY_BYTES)

        response = await answer(request, ask)
        if response is not None and not begun:
            await response(scope, receive, send)


class _Replayed:
    """A body that was already read, as an ASGI receive function. `RequestLifetime` watches for the disconnect."""

    def __init__(self, body: bytes) -> None:
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def __call__(self) -> Message:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop()


def remove_unused_routes(app: FastAPI) -> None:
    """Remove vLLM's routes without a use here, and redirects, which would go to any Host that a request names."""
    app.router.routes = [
        route for route in app.routes if isinstance(route, Route) or getattr(route, "path", None) in KEPT
    ]
    app.router.redirect_slashes = False


def is_local(host: str) -> bool:
    """Whether a Host header, or an address, means this machine."""
    name = name_of(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def name_of(host: str) -> str:
    """The name or address in a Host header, in lower case; "" without one."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _without_port(place: str) -> str:
    """Host and port, without the default ports, which browsers leave out."""
    return place.lower().removesuffix(":80").removesuffix(":443")


def _check_texts(body: bytes, limits: Limits, characters: int) -> None:
    """Raise InputError for a body with too many or too long texts or lists of token ids."""
    content: Any = parse_json(body, limits.values) if body else None
    for value in content.values() if isinstance(content, dict) else ():
        one = isinstance(value, str) or (isinstance(value, list) and bool(value) and isinstance(value[0], int))
        items = [value] if one else value if isinstance(value, list) else []
        if len(items) > limits.texts:
            raise error("too_many_texts", limit=limits.texts)
        for index, item in enumerate(items):
            if isinstance(item, str | list) and len(item) > characters:
                raise error("vllm_text_too_long", index=index, limit=characters)
