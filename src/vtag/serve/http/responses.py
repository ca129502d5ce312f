"""Responses: JSON, and errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exception_handlers import http_exception_handler
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from vtag.errors import VtagError, error
from vtag.serve.metrics import REFUSED
from vtag.types import Coverage

# Items of a list that are serialised in one call, which holds the GIL for a millisecond or two.
ITEMS_AT_ONCE = 4096


class Error(BaseModel):
    """What went wrong, in one line with the fix, and its kind."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [{"error": "inputs must be a text, or a list of texts", "error_type": "bad_field"}]
        },
    )

    error: str
    error_type: str


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": says}
    for status, says in {
        400: "not JSON",
        401: "no API key, or a wrong one",
        403: "a web page of another site",
        404: "another model",
        408: "the body did not come in time",
        413: "more than a limit",
        415: "another content type",
        421: "a foreign Host",
        422: "a wrong type or value",
        429: "too many requests waiting: Retry-After says how many seconds",
        500: "a mistake of vtag's",
        503: "the engine is gone, or the deadline of X-Request-Timeout is past",
    }.items()
}


# Headers of every response with spans: all tokens of the texts and their windows, and that all was read to its end.
TOKENS, WINDOWS, COMPLETE = "X-Vtag-Tokens", "X-Vtag-Windows", "X-Vtag-Complete"
TAGGED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            TOKENS: {"schema": {"type": "integer"}, "description": "tokens of all texts, special ones included"},
            WINDOWS: {"schema": {"type": "integer"}, "description": "windows in which they ran"},
            COMPLETE: {"schema": {"type": "string", "const": "true"}, "description": "every text was read to its end"},
        }
    }
}


async def unknown_route(request: Request, raised: Exception) -> Response:
    """Handler of Starlette's HTTPException: 404 for unknown paths, in vtag's form. vLLM's own server keeps its
    response.
    """
    assert isinstance(raised, HTTPException)
    if raised.status_code == 404 and hasattr(request.app.state, "served"):
        return refusal(error("no_route"))
    return await http_exception_handler(request, raised)


def error_body(refused: VtagError) -> dict[str, Any]:
    """The JSON for an error on all routes but those of a protocol with a form of its own."""
    return {"error": str(refused), "error_type": refused.kind}


def refusal(
    refused: VtagError, headers: dict[str, str] | None = None, *, form: Callable[[VtagError], Any] = error_body
) -> Response:
    """The response for an error; form: returns its JSON."""
    REFUSED.labels(refused.kind).inc()
    if refused.status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    return json_response(form(refused), refused.status, headers)


async def refuse(refused: VtagError, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the response for an error."""
    await refusal(refused)(scope, receive, send)


def to_json(content: Any) -> bytes:
    """Compact JSON. Long lists are serialised in slices, so that other threads get the GIL in between."""
    if isinstance(content, list) and len(content) > ITEMS_AT_ONCE:
        parts = (content[at : at + ITEMS_AT_ONCE] for at in range(0, len(content), ITEMS_AT_ONCE))
        return b"[" + b",".join(to_json(part)[1:-1] for part in parts) + b"]"
    if isinstance(content, dict) and any(isinstance(value, list) for value in content.values()):
        content = {name: orjson.Fragment(to_json(value)) for name, value in content.items()}
    try:
        return orjson.dumps(content)
    except orjson.JSONEncodeError:  # lone surrogates, which UTF-8 does not have
        return json.dumps(content, separators=(",", ":"), default=_unwrapped).encode()


def _unwrapped(fragment: orjson.Fragment) -> Any:
    return json.loads(fragment.contents)


def as_json(rows: Sequence[bytes]) -> list[Any]:
    """JSON of rows that are already serialised, for use inside of other JSON."""
    return [orjson.Fragment(row) for row in rows]


def coverage_headers(coverage: Coverage) -> dict[str, str]:
    """The headers that say how all texts of a request were read."""
    return {TOKENS: str(coverage.tokens), WINDOWS: str(coverage.windows), COMPLETE: "true"}


def tagged_response(content: Any, coverage: Coverage) -> Response:
    """The response with spans; coverage: of all its texts together."""
    return json_response(content, headers=coverage_headers(coverage))


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The response with this content."""
    return Response(to_json(content), status, headers, "application/json")
