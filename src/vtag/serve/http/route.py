"""A route: how its request is admitted, parsed and answered."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar, get_type_hints

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from vtag.errors import VtagError, error
from vtag.serve.http.body import check_type, parse_json, read_body, validated
from vtag.serve.http.lifetime import RequestLifetime
from vtag.serve.http.responses import ERRORS, error_body, json_response, refusal
from vtag.serve.limits import Limits
from vtag.serve.metrics import LATENCY, REQUESTS
from vtag.serve.pipeline.service import Service

CLIENT_GONE = 499
# Paths without a key: for monitors, and the page that asks for one.
OPEN = ("/health", "/ping", "/version", "/metrics", "/v2/health/live", "/v2/health/ready", "/playground")
Result = TypeVar("Result")
Sent = TypeVar("Sent", bound=Response | None)
LOG = logging.getLogger("vtag.serve")


class Route(APIRoute):
    """A route of vtag's: FastAPI only reads its signature for the OpenAPI.

    The endpoint takes the request, path and query parameters, and `body` if it has one: the schema of the body. It
    returns JSON content or a response.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)
        self._schema: type[BaseModel] | None = get_type_hints(endpoint).get("body")
        self._queried = [parameter.alias for parameter in self.dependant.query_params]

    def error_body(self, refused: VtagError) -> dict[str, Any]:
        """The JSON for an error."""
        return error_body(refused)

    def check_type(self, headers: Headers) -> None:
        """Raise InputError for a body of another content type."""
        check_type(headers)

    def parse(self, body: bytes, schema: type[BaseModel], headers: Headers, limits: Limits) -> Any:
        """The body as its schema; large ones are parsed in a thread."""
        return validated(parse_json(body, limits.values), schema)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request from Starlette's router: vLLM's own server has no AccessMiddleware."""
        allowed = has_key(scope, scope["app"].state.keys)
        await self.respond(scope, receive, send, None if allowed else error("wrong_key"))

    async def respond(self, scope: Scope, receive: Receive, send: Send, refused: VtagError | None) -> None:
        """One request, counted; refused: why it has no access."""
        start = time.perf_counter()
        if refused is not None:
            response = refusal(refused, form=self.error_body)
        elif scope["method"] not in self.methods:
            methods = ", ".join(sorted(self.methods))
            response = refusal(error("wrong_method", methods=methods), {"Allow": methods}, form=self.error_body)
        else:
            response = await self.response_to(Request(scope, receive, send))
        try:
            await response(scope, receive, send)
        finally:
            REQUESTS.labels(self.path, response.status_code).inc()
            LATENCY.labels(self.path).observe(time.perf_counter() - start)

    async def response_to(self, request: Request) -> Response:
        """The endpoint's response, or the error's."""

        async def asked() -> Response:
            arguments: dict[str, Any] = dict(request.path_params)
            for name in self._queried:
                arguments[name] = request.query_params.get(name)
            if self._schema is None:
                content = await self.endpoint(request, **arguments)
            else:
                content = await with_body(request, self.check_type, partial(self._posted, request, arguments))
            return content if isinstance(content, Response) else json_response(content)

        return await answer(request, asked, self.error_body)

    async def _posted(self, request: Request, arguments: dict[str, Any], sent: bytes) -> Any:
        """The endpoint's result for a body."""
        assert self._schema is not None
        service = service_of(request)
        body = await service.parsed(partial(self.parse, sent, self._schema, request.headers, service.limits), len(sent))
        return await self.endpoint(request, body=body, **arguments)


async def with_body(
    request: Request,
    check: Callable[[Headers], None],
    work: Callable[[bytes], Awaitable[Result]],
    *,
    most: int | None = None,
) -> Result:
    """The result of `work` on a request's body, within the limits and timeouts of every route.

    check: raises an error for headers that do not fit. most: limit in bytes, on vLLM's routes.
    Raises ClientDisconnect if the client is gone.
    """
    service = service_of(request)
    async with lifetime_of(request) as lifetime:
        check(request.headers)
        with service.admission.body(most) as arriving:
            body = await read_body(lifetime, arriving)
            with service.admission.place():
                lifetime.watch()
                return await work(body)


@asynccontextmanager
async def lifetime_of(request: Request) -> AsyncIterator[RequestLifetime]:
    """Context of a request, which ends at its deadline, and with the server."""
    service = service_of(request)
    lifetime = RequestLifetime(request)
    service.waiting.add(lifetime)
    try:
        yield lifetime
    except asyncio.CancelledError:
        raise lifetime.exception() from None
    finally:
        service.waiting.discard(lifetime)
        lifetime.close()


async def answer(
    request: Request, ask: Callable[[], Awaitable[Sent]], form: Callable[[VtagError], Any] = error_body
) -> Sent | Response:
    """The response of `ask`, or of the error that it raises; form: returns the JSON of an error."""
    try:
        return await ask()
    except ClientDisconnect:
        return Response(status_code=CLIENT_GONE)
    except VtagError as refused:
        again = {"Retry-After": str(service_of(request).admission.retry_after())} if refused.status == 429 else None
        return refusal(refused, again, form=form)
    except Exception as unexpected:
        if request.app.state.client.errored:
            return refusal(error("engine_gone"), form=form)
        of = request.scope.get("request_id", "-")
        LOG.error("unexpected %s, request %s", type(unexpected).__name__, of, exc_info="VTAG_DEBUG" in os.environ)
        return refusal(error("internal", type=type(unexpected).__name__), form=form)


def has_key(scope: Scope, keys: Sequence[str]) -> bool:
    """Whether a request has a valid key, or needs none."""
    if not keys or scope["path"] in OPEN:
        return True
    sent = _key_of(scope)
    # Compare all keys in constant time, so that timing reveals nothing.
    right = [secrets.compare_digest(sent, known.encode()) for known in keys]
    return sent != b"" and any(right)


def _key_of(scope: Scope) -> bytes:
    """The key of a request, from `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
    headers = dict(reversed(scope["headers"]))  # of several, the first
    if b"authorization" not in headers:
        return bytes(headers.get(b"x-api-key", b"").strip())
    scheme, _, key = headers[b"authorization"].partition(b" ")
    return bytes(key.strip()) if scheme.lower() == b"bearer" else b""


def routes_of(tag: str, route: type[Route] = Route) -> APIRouter:
    """An empty router; function names become the operation ids of generated clients."""
    return APIRouter(
        route_class=route, tags=[tag], responses=ERRORS, generate_unique_id_function=lambda route: route.name
    )


def service_of(request: Request) -> Service:
    """The service that answers a request; raises the reason if there is none."""
    service: Service | VtagError = request.app.state.vtag
    if isinstance(service, VtagError):
        raise service
    return service


def client_of(request: Request) -> Hashable:
    """The client of a request: its key, if there are several keys, else its connection."""
    if len(request.app.state.keys) > 1:
        return _key_of(request.scope)
    return request.client
