"""The bytes of a request's body, as its schema or as what is wrong with them."""

from __future__ import annotations

import json
import re
from email.message import Message as Header
from typing import Any

import numpy as np
import orjson
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from vtag.errors import VtagError, error
from vtag.serve.http.lifetime import RequestLifetime
from vtag.serve.limits import BODY_SECONDS, MOST_FIELDS
from vtag.serve.pipeline.admission import ReceivedBody

# Of a body are looked at together.
BLOCK_BYTES = 1 << 18
_NO_BACKSLASH = re.compile(rb"[^\\]")


def check_type(headers: Headers) -> None:
    """Raise InputError for a body that does not call itself JSON, in UTF-8 and as it is.

    A web page may send a body of another type, or of none, to any server without asking it first: so none is taken.
    """
    if headers.get("content-type") == "application/json" and "content-encoding" not in headers:
        return  # as nearly all say it; what follows is slow
    told = Header()
    told["Content-Type"] = headers.get("content-type", "")
    charset = str(told.get_param("charset", "utf-8")).lower()
    kind = told.get_content_type() if "content-type" in headers else ""
    json_type = kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    if not json_type or charset not in ("utf-8", "utf8", "us-ascii"):
        raise error("not_json")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise error("not_json")


async def whole(patience: RequestLifetime, arriving: ReceivedBody) -> bytes:
    """The body; raises an error of the table where it is too large, or does not come."""
    request = patience.request
    told = request.headers.get("content-length", "0")
    if told.isdecimal():
        arriving.check(int(told))
    chunks: list[bytes] = []
    clock = patience.limit(BODY_SECONDS, error("slow_body", seconds=BODY_SECONDS))
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        arriving.take(len(chunk))
        chunks.append(chunk)
    clock.cancel()
    return b"".join(chunks)


def from_json(body: bytes, most: int) -> Any:
    """What a body of JSON holds; raises InputError for more than `most` values, before any is made."""
    _check_values(body, most)
    try:
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:  # half of a surrogate pair, NaN
            content = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as cause:
        raise error("bad_json") from cause
    if len(body) > MOST_FIELDS:
        _check_fields(content)
    return content


def _check_values(body: bytes, most: int) -> None:
    """Outside of strings each value but the first has a comma, bracket or brace; NumPy counts them without the GIL."""
    marks = within = start = 0
    while start < len(body) and len(body) > most:
        end = start + BLOCK_BYTES
        if body[end - 1 : end] == b"\\":  # no block ends within an escape
            end = found.end() if (found := _NO_BACKSLASH.search(body, end)) else len(body)
        # From the left: backslashes that are escaped themselves, then quotes within strings.
        codes = np.frombuffer(body[start:end].replace(rb"\\", b"").replace(rb"\"", b""), np.uint8)
        inside = np.bitwise_xor.accumulate((codes == ord('"')).view(np.uint8)) ^ within
        marks += _marks(codes[inside == 0])
        if marks >= most:
            raise error("too_many_values", limit=most)
        within = inside[-1] if len(inside) else within
        start = end


def _marks(codes: np.ndarray) -> int:
    return sum(int(np.count_nonzero(codes == ord(mark))) for mark in ",[{")


def _check_fields(content: Any) -> None:
    """No object has so many fields that complaining of each would take a minute."""
    parts = [content] if isinstance(content, dict | list) else []
    while parts:
        part = parts.pop()
        if isinstance(part, dict) and len(part) > MOST_FIELDS:
            raise error("too_many_fields", limit=MOST_FIELDS)
        inner = part.values() if isinstance(part, dict) else part
        parts += [one for one in inner if isinstance(one, dict | list)]


def checked(content: Any, schema: type[BaseModel]) -> Any:
    """It as its schema; raises InputError, whose message names the field and nothing that was sent."""
    try:
        return schema.model_validate(content)
    except ValidationError as cause:
        raise _complaint(cause, schema) from None


def _complaint(cause: ValidationError, schema: type[BaseModel]) -> VtagError:
    """Of all that pydantic complains of the first, in the words of the field's description."""
    first = cause.errors(include_url=False, include_context=False, include_input=False)[0]
    fields, known, path = schema.model_fields, None, ""
    for part in first["loc"]:
        if isinstance(part, int):  # of a list
            continue
        if part not in fields:
            break
        known, path = fields[str(part)], f"{path}.{part}" if path else str(part)
        nested = [kind for kind in (known.annotation, *getattr(known.annotation, "__args__", ())) if _is_schema(kind)]
        fields, schema = (nested[0].model_fields, nested[0]) if nested else ({}, schema)
    if first["type"] == "extra_forbidden":
        return error("unknown_field", names=", ".join(schema.model_fields))
    if known is None:
        return error("bad_field", field="the body", expected=f"an object with {', '.join(schema.model_fields)}")
    return error("bad_field", field=path, expected=known.description)


def _is_schema(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
