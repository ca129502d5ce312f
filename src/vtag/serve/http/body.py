"""The bytes of a request's body, parsed into its schema, or the error that they cause."""

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

# Bytes of a body that are scanned at once.
BLOCK_BYTES = 1 << 18
_NO_BACKSLASH = re.compile(rb"[^\\]")


def check_type(headers: Headers) -> None:
    """Raise InputError for a body that is not declared as JSON in UTF-8 without an encoding.

    A web page may send bodies of other types, or without a type, to any server without a CORS preflight: they are
    refused.
    """
    if headers.get("content-type") == "application/json" and "content-encoding" not in headers:
        return  # the usual spelling; the rest is slow
    content_type = Header()
    content_type["Content-Type"] = headers.get("content-type", "")
    charset = str(content_type.get_param("charset", "utf-8")).lower()
    kind = content_type.get_content_type() if "content-type" in headers else ""
    json_type = kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    if not json_type or charset not in ("utf-8", "utf8", "us-ascii"):
        raise error("not_json")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise error("not_json")


async def read_body(lifetime: RequestLifetime, arriving: ReceivedBody) -> bytes:
    """The whole body; raises an error if it is too large, or does not arrive in time."""
    request = lifetime.request
    length = request.headers.get("content-length", "0")
    if length.isdecimal():
        arriving.check(int(length))
    chunks: list[bytes] = []
    clock = lifetime.cancel_after(BODY_SECONDS, error("slow_body", seconds=BODY_SECONDS))
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


def parse_json(body: bytes, most: int) -> Any:
    """The content of a JSON body; raises InputError for more than `most` values, before any is created."""
    _check_values(body, most)
    try:
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:  # lone surrogates, NaN
            content = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as cause:
        raise error("bad_json") from cause
    if len(body) > MOST_FIELDS:
        _check_fields(content)
    return content


def _check_values(body: bytes, most: int) -> None:
    """Count values by commas, brackets and braces outside of strings; NumPy does so without the GIL."""
    marks = within = start = 0
    while start < len(body) and len(body) > most:
        end = start + BLOCK_BYTES
        if body[end - 1 : end] == b"\\":  # no block may end within an escape
            end = found.end() if (found := _NO_BACKSLASH.search(body, end)) else len(body)
        # Remove escaped backslashes first, then escaped quotes.
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
    """Limit the fields of an object, because complaints about each would take a minute."""
    parts = [content] if isinstance(content, dict | list) else []
    while parts:
        part = parts.pop()
        if isinstance(part, dict) and len(part) > MOST_FIELDS:
            raise error("too_many_fields", limit=MOST_FIELDS)
        inner = part.values() if isinstance(part, dict) else part
        parts += [one for one in inner if isinstance(one, dict | list)]


def validated(content: Any, schema: type[BaseModel]) -> Any:
    """The content as its schema; raises InputError whose message names the field, and nothing that was sent."""
    try:
        return schema.model_validate(content)
    except ValidationError as cause:
        raise _complaint(cause, schema) from None


def _complaint(cause: ValidationError, schema: type[BaseModel]) -> VtagError:
    """The first of pydantic's complaints, in the words of the field's description."""
    first = cause.errors(include_url=False, include_context=False, include_input=False)[0]
    fields, known, path = schema.model_fields, None, ""
    for part in first["loc"]:
        if isinstance(part, int):  # an index of a list
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
