"""HTTP by vtag's rules: how a request is read, worked on and answered, and what a refusal looks like."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from typing import Any, TypeVar, get_type_hints

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from vtag.errors import VtagError, error
from vtag.serve.body import check_type, checked, from_json, whole
from vtag.serve.limits import Limits
from vtag.serve.metrics import REFUSED, REQUESTS
from vtag.serve.patience import Patience
from vtag.serve.schemas import ERRORS
from vtag.serve.service import Service

CLIENT_GONE = 499
# Items of a list that are turned into JSON in one call, which holds the GIL: a millisecond or two.
ITEMS_AT_ONCE = 4096
# Without a key: what monitors call, and the page that asks for one.
OPEN = ("/health", "/ping", "/version", "/metrics", "/v2/health/live", "/v2/health/ready", "/playground")
Result = TypeVar("Result")
Sent = TypeVar("Sent", bound=Response | None)
LOG = logging.getLogger("vtag.serve")


class Route(APIRoute):
    """A route of vtag's: FastAPI reads its signature for the OpenAPI, the rest is done here.

    The endpoint takes the request, the parameters of path and query, and `body`, where it has one: the schema that a
    body is checked against. It returns what will be JSON, or a response.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)
        self._schema: type[BaseModel] | None = get_type_hints(endpoint).get("body")
        self._queried = [parameter.alias for parameter in self.dependant.query_params]

    def check_type(self, headers: Headers) -> None:
        """Raise InputError for a body of another type."""
        check_type(headers)

    def parse(self, body: bytes, schema: type[BaseModel], headers: Headers, limits: Limits) -> Any:
        """The body as its schema; called in a thread where it is large."""
        return checked(from_json(body, limits.values), schema)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, from Starlette's router or directly from the Gate."""
        if not has_key(scope, scope["app"].state.keys):  # a server that vLLM starts has no Gate
            await refuse(error("wrong_key"), scope, receive, send)
        elif scope["method"] in self.methods:
            response = await self._answer(Request(scope, receive, send))
            REQUESTS.labels(self.path, response.status_code).inc()
            await response(scope, receive, send)
        else:
            methods = ", ".join(sorted(self.methods))
            await refusal(error("wrong_method", methods=methods), {"Allow": methods})(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        """The response: what the endpoint returns, or why there is none."""

        async def asked() -> Response:
            arguments: dict[str, Any] = dict(request.path_params)
            for name in self._queried:
                arguments[name] = request.query_params.get(name)
            if self._schema is None:
                content = await self.endpoint(request, **arguments)
            else:
                content = await admitted(request, self.check_type, partial(self._posted, request, arguments))
            return content if isinstance(content, Response) else _json(content)

        return await answer(request, asked)

    async def _posted(self, request: Request, arguments: dict[str, Any], sent: bytes) -> Any:
        """What the endpoint returns for a body."""
        assert self._schema is not None
        service = serving(request)
        body = await service.parsed(partial(self.parse, sent, self._schema, request.headers, service.limits), len(sent))
        return await self.endpoint(request, body=body, **arguments)


async def admitted(
    request: Request,
    check: Callable[[Headers], None],
    work: Callable[[bytes], Awaitable[Result]],
    *,
    most: int | None = None,
) -> Result:
    """What `work` makes of a request's body, within the limits and clocks that hold for every route.

    check: raises an error of the table for headers that do not fit. most: bytes, on routes of vLLM's.
    Raises ClientDisconnect where nobody waits for it any more.
    """
    service = serving(request)
    patience = Patience(request)
    service.waiting.add(patience)
    try:
        check(request.headers)
        with service.queue.body(most) as arriving:
            body = await whole(patience, arriving)
            with service.queue.place():
                patience.watch()
                return await work(body)
    except asyncio.CancelledError:
        raise patience.lost() from None
    finally:
        service.waiting.discard(patience)
        patience.end()


async def answer(request: Request, ask: Callable[[], Awaitable[Sent]]) -> Sent | Response:
    """The response of `ask`, or of the error of the table that it raises."""
    try:
        return await ask()
    except ClientDisconnect:
        return Response(status_code=CLIENT_GONE)
    except VtagError as refused:
        again = {"Retry-After": str(serving(request).queue.retry_after())} if refused.status == 429 else None
        return refusal(refused, again)
    except Exception as unexpected:
        if request.app.state.client.errored:
            return refusal(error("engine_gone"))
        LOG.error("unexpected %s", type(unexpected).__name__, exc_info="VTAG_DEBUG" in os.environ)
        return refusal(error("internal", type=type(unexpected).__name__))


def has_key(scope: Scope, keys: Sequence[str]) -> bool:
    """Whether a request names one of the keys, or needs none."""
    if not keys or scope["path"] in OPEN:
        return True
    sent = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, key = sent.partition(b" ")
    # All are compared, in constant time: how long it takes tells nothing.
    right = [secrets.compare_digest(key.strip(), known.encode()) for known in keys]
    return scheme.lower() == b"bearer" and any(right)


def routes_of(tag: str, route: type[Route] = Route) -> APIRouter:
    """An empty router; its functions' names are what generated clients call them by."""
    return APIRouter(
        route_class=route, tags=[tag], responses=ERRORS, generate_unique_id_function=lambda made: made.name
    )


async def no_route(request: Request, raised: Exception) -> Response:
    """Handler of Starlette's HTTPException: its 404 is of a path that is no route. vLLM's server keeps its words."""
    assert isinstance(raised, HTTPException)
    if raised.status_code == 404 and hasattr(request.app.state, "served"):
        return refusal(error("no_route"))
    return await http_exception_handler(request, raised)


def refusal(refused: VtagError, headers: dict[str, str] | None = None) -> Response:
    """The response of an error of the table."""
    REFUSED.labels(refused.kind).inc()
    content = {"error": str(refused), "error_type": refused.kind}
    if refused.status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    return _json(content, refused.status, headers)


async def refuse(refused: VtagError, scope: Scope, receive: Receive, send: Send) -> None:
    """The same, sent."""
    await refusal(refused)(scope, receive, send)


def to_json(content: Any) -> bytes:
    """As short as it can be. Lists are written some items at a time, so that other threads get the GIL in between."""
    if isinstance(content, list) and len(content) > ITEMS_AT_ONCE:
        parts = (content[at : at + ITEMS_AT_ONCE] for at in range(0, len(content), ITEMS_AT_ONCE))
        return b"[" + b",".join(to_json(part)[1:-1] for part in parts) + b"]"
    if isinstance(content, dict) and any(isinstance(value, list) for value in content.values()):
        content = {name: orjson.Fragment(to_json(value)) for name, value in content.items()}
    try:
        return orjson.dumps(content)
    except orjson.JSONEncodeError:  # half of a surrogate pair, which JSON cannot say in UTF-8
        return json.dumps(content, separators=(",", ":"), default=_unwrapped).encode()


def _unwrapped(fragment: orjson.Fragment) -> Any:
    return json.loads(fragment.contents)


def as_json(rows: Sequence[bytes]) -> list[Any]:
    """What is JSON already, to be put into other JSON."""
    return [orjson.Fragment(row) for row in rows]


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(content), status, headers, "application/json")


def serving(request: Request) -> Service:
    """What answers a request; raises why nothing does."""
    service: Service | VtagError = request.app.state.vtag
    if isinstance(service, VtagError):
        raise service
    return service


def client_of(request: Request) -> Hashable:
    """Whose request it is: the key's, where there are several, else the connection's."""
    if len(request.app.state.keys) > 1:
        return request.headers["authorization"]
    return request.client
