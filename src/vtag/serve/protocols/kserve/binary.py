"""v2's extension: tensors as bytes behind the JSON of a body."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from fastapi import Response
from pydantic import BaseModel
from starlette.datastructures import Headers

from vtag.errors import error
from vtag.serve.http.body import checked, from_json
from vtag.serve.http.responses import to_json
from vtag.serve.http.route import Route
from vtag.serve.limits import Limits

BINARY = "binary_tensor_data"
BYTES_BEHIND = "application/octet-stream"
# The header that tells the length of the JSON.
JSON_SIZE = "Inference-Header-Content-Length"


class BinaryRoute(Route):
    """A route that takes a tensor as bytes too."""

    def check_type(self, headers: Headers) -> None:
        """JSON, or a tensor as bytes behind it. Triton's client names no type: only a web page is asked for one."""
        from_page = "origin" in headers or "sec-fetch-site" in headers
        kind = headers.get("content-type")
        if kind is None and not from_page:
            return
        if kind != BYTES_BEHIND or JSON_SIZE not in headers:
            super().check_type(headers)

    def parse(self, body: bytes, schema: type[BaseModel], headers: Headers, limits: Limits) -> Any:
        """As of other routes, once the bytes have been put into the JSON."""
        told = headers.get(JSON_SIZE)
        if told is None:
            return super().parse(body, schema, headers, limits)
        size = int(told) if told.isdecimal() and len(told) < 20 else -1
        if not 0 <= size <= len(body):
            raise error("bad_binary")
        content, behind = from_json(body[:size], limits.values), body[size:]
        match content:
            case {"inputs": [{"parameters": {"binary_data_size": int(length)} as parameters} as tensor]}:
                if length != len(behind):
                    raise error("bad_binary")
                del parameters["binary_data_size"]
                tensor["data"] = _elements(behind, limits.texts)
            case _ if behind:
                raise error("bad_binary")
        return checked(content, schema)


def _elements(tensor: bytes, most: int) -> list[str]:
    """The texts of a tensor of bytes: each its length, uint32, and itself in UTF-8."""
    texts: list[str] = []
    at = 0
    while at < len(tensor):
        if len(texts) == most:
            raise error("too_many_texts", limit=most)
        try:
            (size,) = struct.unpack_from("<I", tensor, at)
            text = tensor[at + 4 : at + 4 + size]
            if len(text) < size:
                raise ValueError
            texts.append(text.decode())
        except (struct.error, ValueError) as cause:
            raise error("bad_binary") from cause
        at += 4 + size
    return texts


def response(answer: dict[str, Any], output: dict[str, Any], rows: Sequence[bytes]) -> Response:
    """An answer whose one output, `output`, stands behind its JSON: each row as its length, uint32, and itself."""
    behind = b"".join(struct.pack("<I", len(row)) + row for row in rows)
    output["parameters"] = {"binary_data_size": len(behind)}
    head = to_json(answer)
    return Response(head + behind, headers={JSON_SIZE: str(len(head))}, media_type=BYTES_BEHIND)
