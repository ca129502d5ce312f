"""HTTP by vtag's rules: who may come in, how a request is answered, and what a refusal looks like."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
from collections.abc import Callable, Hashable, Sequence
from typing import Any, get_type_hints

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from vtag.errors import VtagError, error
from vtag.serve.body import check_type, checked, from_json, whole
from vtag.serve.metrics import REFUSED, REQUESTS
from vtag.serve.patience import Patience
from vtag.serve.queue import Body
from vtag.serve.schemas import ERRORS
from vtag.serve.service import serving

CLIENT_GONE = 499
LOG = logging.getLogger("vtag.serve")


# Without a key: what monitors call, and the page that asks for one.
OPEN = ("/health", "/ping", "/version", "/metrics", "/v2/health/live", "/v2/health/ready", "/playground")


class Gate:
    """Asks for an API key before any route, vLLM's own included, but for those that monitors call.

    What is posted to vtag's routes goes there directly, past vLLM's middlewares, which cost as much as decoding a text.
    """

    def __init__(self, app: FastAPI, keys: Sequence[str]) -> None:
        self._app = app
        self._keys = keys
        self._direct = [route for route in app.routes if isinstance(route, Route) and "POST" in route.methods]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, as ASGI has it."""
        if scope["type"] == "lifespan" or may_enter(scope, self._keys):
            if scope["type"] == "http" and scope["method"] == "POST":
                for route in self._direct:
                    match, found = route.matches(scope)
                    if match is Match.FULL:
                        scope.update(found, app=self._app, route=route)
                        await route.handle(scope, receive, send)
                        return
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _no_entry(scope, receive, send)


def may_enter(scope: Scope, keys: Sequence[str]) -> bool:
    """Whether a request names one of the keys, or needs none."""
    if not keys or scope["path"].rstrip("/") in OPEN:
        return True
    sent = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, key = sent.partition(b" ")
    # All are compared, in constant time: how long it takes tells nothing.
    right = [secrets.compare_digest(key.strip(), known.encode()) for known in keys]
    return scheme.lower() == b"bearer" and any(right)


async def _no_entry(scope: Scope, receive: Receive, send: Send) -> None:
    await refusal(error("wrong_key"), {"WWW-Authenticate": "Bearer"})(scope, receive, send)


class Route(APIRoute):
    """A route of vtag's: FastAPI reads its signature for the OpenAPI, the rest is done here.

    The endpoint takes the request, the parameters of path and query, and `body`, where it has one: the schema that a
    body is checked against. It returns what will be JSON, or a response.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)
        self._schema: type[BaseModel] | None = get_type_hints(endpoint).get("body")
        self._queried = [parameter.alias for parameter in self.dependant.query_params]

    async def read(self, patience: Patience, schema: type[BaseModel], arriving: Body) -> Any:
        """The body as its schema."""
        check_type(patience.request.headers)
        return checked(from_json(await whole(patience, arriving)), schema)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, from Starlette's router or directly from the Gate."""
        if not may_enter(scope, scope["app"].state.keys):  # a server that vLLM starts has no Gate
            await _no_entry(scope, receive, send)
        elif scope["method"] in self.methods:
            response = await self._answer(Request(scope, receive, send))
            REQUESTS.labels(self.path, response.status_code).inc()
            await response(scope, receive, send)
        else:
            methods = ", ".join(sorted(self.methods))
            await refusal(error("wrong_method", methods=methods), {"Allow": methods})(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        """The response: what the endpoint returns, or why there is none."""
        try:
            content = await self._asked(request)
            return content if isinstance(content, Response) else _json(content)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        except VtagError as refused:
            again = {"Retry-After": str(serving(request).queue.retry_after())} if refused.status == 429 else None
            return refusal(refused, again)
        except Exception as unexpected:
            if request.app.state.engine_client.errored:
                return refusal(error("engine_gone"))
            LOG.error("unexpected %s", type(unexpected).__name__, exc_info="VTAG_DEBUG" in os.environ)
            return refusal(error("internal", type=type(unexpected).__name__))

    async def _asked(self, request: Request) -> Any:
        """What the endpoint returns; raises ClientDisconnect where nobody waits for it any more."""
        arguments: dict[str, Any] = dict(request.path_params)
        for name in self._queried:
            arguments[name] = request.query_params.get(name)
        if self._schema is None:
            return await self.endpoint(request, **arguments)
        service = serving(request)
        patience = Patience(request)
        try:
            with service.queue.body() as arriving:
                body = await self.read(patience, self._schema, arriving)
                with service.queue.place():
                    patience.watch()
                    return await self.endpoint(request, body=body, **arguments)
        except asyncio.CancelledError:
            raise patience.lost() from None
        finally:
            patience.end()


def routes_of(tag: str, route: type[Route] = Route) -> APIRouter:
    """An empty router; its functions' names are what generated clients call them by."""
    return APIRouter(
        route_class=route, tags=[tag], responses=ERRORS, generate_unique_id_function=lambda made: made.name
    )


async def no_route(request: Request, raised: Exception) -> Response:
    """Handler of Starlette's HTTPException: its 404 is of a path that is no route."""
    assert isinstance(raised, HTTPException)
    if raised.status_code == 404:
        return refusal(error("no_route"))
    return await http_exception_handler(request, raised)


def refusal(refused: VtagError, headers: dict[str, str] | None = None) -> Response:
    """The response of an error of the table."""
    REFUSED.labels(refused.kind).inc()
    content = {"error": str(refused), "error_type": refused.kind}
    return _json(content, refused.status, headers)


def to_json(content: Any) -> bytes:
    """As short as it can be."""
    try:
        return orjson.dumps(content)
    except orjson.JSONEncodeError:  # half of a surrogate pair, which JSON cannot say in UTF-8
        return json.dumps(content, separators=(",", ":")).encode()


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(content), status, headers, "application/json")


def client_of(request: Request) -> Hashable:
    """Whose request it is: the key's, where there are several, else the connection's."""
    if len(request.app.state.keys) > 1:
        return request.headers["authorization"]
    return request.client
