"""v2's binary extension: tensors as bytes after the JSON of a body."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from fastapi import Response
from pydantic import BaseModel
from starlette.datastructures import Headers

from vtag.errors import error
from vtag.serve.http.body import parse_json, validated
from vtag.serve.http.responses import to_json
from vtag.serve.http.route import Route
from vtag.serve.limits import Limits

BINARY = "binary_tensor_data"
BYTES_BEHIND = "application/octet-stream"
# The header with the length of the JSON.
JSON_SIZE = "Inference-Header-Content-Length"


class BinaryRoute(Route):
    """A route that also accepts a binary tensor."""

    def check_type(self, headers: Headers) -> None:
        """JSON, or a binary tensor after it. Triton's client sends no type, so that only web pages must send one."""
        from_page = "origin" in headers or "sec-fetch-site" in headers
        kind = headers.get("content-type")
        if kind is None and not from_page:
            return
        if kind != BYTES_BEHIND or JSON_SIZE not in headers:
            super().check_type(headers)

    def parse(self, body: bytes, schema: type[BaseModel], headers: Headers, limits: Limits) -> Any:
        """The body as its schema, with the binary tensor inserted into the JSON."""
        header = headers.get(JSON_SIZE)
        if header is None:
            return super().parse(body, schema, headers, limits)
        size = int(header) if header.isdecimal() and len(header) < 20 else -1
        if not 0 <= size <= len(body):
            raise error("bad_binary")
        content, behind = parse_json(body[:size], limits.values), body[size:]
        match content:
            case {"inputs": [{"parameters": {"binary_data_size": int(length)} as parameters} as tensor]}:
                if length != len(behind):
                    raise error("bad_binary")
                del parameters["binary_data_size"]
                tensor["data"] = _elements(behind, limits.texts)
            case _ if behind:
                raise error("bad_binary")
        return validated(content, schema)


def _elements(tensor: bytes, most: int) -> list[str]:
    """The texts of a binary tensor: for each its length, uint32, and its UTF-8 bytes."""
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


def binary_response(
    content: dict[str, Any], output: dict[str, Any], rows: Sequence[bytes], headers: dict[str, str]
) -> Response:
    """A response whose one output, `output`, follows its JSON: for each row its length, uint32, and its bytes."""
    behind = b"".join(struct.pack("<I", len(row)) + row for row in rows)
    output["parameters"] = {"binary_data_size": len(behind)}
    head = to_json(content)
    return Response(head + behind, headers=headers | {JSON_SIZE: str(len(head))}, media_type=BYTES_BEHIND)
