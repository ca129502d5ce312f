"""`POST /v1/redact`: texts, or a stream of one, without the values of their spans."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import ConfigDict, Field

from vtag.redact.stream import BLOCK, StreamRedactor
from vtag.redact.text import Redactor
from vtag.serve.http.body import parse_json, validated
from vtag.serve.http.events import EventStream, media_type
from vtag.serve.http.responses import TAGGED, as_json, tagged_response, to_json
from vtag.serve.http.route import Route, client_of, lifetime_of, routes_of, service_of
from vtag.serve.pipeline.redaction import spans_of, spans_only
from vtag.serve.protocols.schemas import EXAMPLE, OffsetUnit, Schema, Strings, Usage
from vtag.text.offsets import UNITS, positions
from vtag.types import Coverage, Redacted


class RedactRoute(Route):
    """A body may also be a stream of events."""

    async def response_to(self, request: Request) -> Response:
        """The response to texts, or to a stream."""
        kind = media_type(request.headers)
        if kind is None:
            return await super().response_to(request)
        return EventStream(request, kind, partial(_stream, request))


router = routes_of("vtag", RedactRoute)
_POLICY = "a policy without a key; the server's if it is left out"


class RedactRequest(Schema):
    """Texts, and what is done with the spans of each label."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"input": EXAMPLE},
                {"input": [EXAMPLE, "Call Ann."], "policy": {"default": "number", "labels": {"CITY": "keep"}}},
            ]
        },
    )

    input: str | Strings = Field(description="a text, or a list of texts")
    policy: dict[str, Any] | None = Field(default=None, description=_POLICY)
    contexts: Strings | None = Field(
        default=None, description="a list of strings, one for each text: dates of equal ones are shifted alike"
    )
    return_mapping: bool = Field(default=False, description="true or false")
    offset_unit: OffsetUnit = Field(default="codepoint", description=f"one of {', '.join(UNITS)}")


class ReplacementInfo(Schema):
    """What was replaced: its place in the new text (start, end) and in the old one, its label, and the action."""

    start: int
    end: int
    old_start: int
    old_end: int
    label: str
    action: str


class RedactedText(Schema):
    """The result of one text. `mapping`, if it was asked for: from numbers and fakes to the values they replace."""

    text: str
    replacements: list[ReplacementInfo]
    usage: Usage
    mapping: dict[str, str] | None = None


class RedactResponse(Schema):
    """One result per text, in order."""

    model: str
    offset_unit: OffsetUnit
    results: list[RedactedText]


class StreamStart(Schema):
    """The first event of a stream."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(default="", description="a piece of the text")
    policy: dict[str, Any] | None = Field(default=None, description=_POLICY)
    context: str | None = Field(default=None, description="a string: dates of equal contexts are shifted alike")


class StreamPiece(Schema):
    """A later event of a stream."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(description="a piece of the text")


@router.post(
    "/v1/redact",
    response_model=RedactResponse,
    response_model_exclude_unset=True,
    responses=TAGGED,
)
async def redact(request: Request, body: RedactRequest) -> Response:
    """Texts without the values of their spans, by the policy of the request or of the server.

    A body of NDJSON or server-sent events is one text in pieces, each an object with `text`; the first may have
    `policy` and `context`. The response is a stream of the same type: parts that are final, and at its end
    `{"done": true, "usage": ...}`, or an error.
    """
    service = service_of(request)
    redactor = await service.redactor(body.policy)
    texts = [body.input] if isinstance(body.input, str) else body.input
    contexts = redactor.contexts(body.contexts, len(texts))
    found = await service.tag(texts, redactor.options, spans_only, client=client_of(request))
    rendered = partial(_results, redactor, texts, contexts, found.rows, body.offset_unit, mapping=body.return_mapping)
    rows = await service.in_thread(rendered, sum(map(len, texts)))
    content = {"model": service.model, "offset_unit": body.offset_unit, "results": as_json(rows)}
    return tagged_response(content, found.coverage)


def _results(
    redactor: Redactor,
    texts: Sequence[str],
    contexts: Sequence[str],
    rows: Sequence[bytes],
    unit: str,
    *,
    mapping: bool,
) -> list[bytes]:
    """JSON of the result of each text."""
    results = []
    for index, (text, context, row) in enumerate(zip(texts, contexts, rows, strict=True)):
        redacted = redactor.redact(text, spans_of(row, text), context, index=index)
        usage = Coverage(*orjson.loads(row)[-1])
        result: dict[str, Any] = {
            "text": redacted.text,
            "replacements": _replacements(redacted, text, unit),
            "usage": usage.to_dict(),
        }
        results.append(to_json(result | ({"mapping": redacted.mapping} if mapping else {})))
    return results


def _replacements(redacted: Redacted, text: str, unit: str) -> list[dict[str, Any]]:
    """The replacements, with offsets in this unit."""
    rows = [each.to_dict() for each in redacted.replacements]
    for whole, names in ((redacted.text, ("start", "end")), (text, ("old_start", "old_end"))):
        if rows and (at := positions(whole, unit)) is not None:
            for row in rows:
                row |= {name: int(at[row[name]]) for name in names}
    return rows


async def _stream(
    request: Request, events: AsyncIterator[list[bytes]], write: Callable[[Any], Awaitable[None]]
) -> None:
    """Redact a stream: after each piece of it, what is final by then."""
    service = service_of(request)
    streamed: _Streamed | None = None
    async with lifetime_of(request):
        with service.admission.stream():
            async for bodies in events:
                pieces = []
                for body in bodies:
                    content = parse_json(body, service.limits.values)
                    start = validated(content, StreamPiece if streamed else StreamStart)
                    if streamed is None:
                        streamed = _Streamed(request, await service.redactor(start.policy), start.context)
                    pieces.append(start.text)
                if streamed is not None:
                    await streamed.feed("".join(pieces), write)
            streamed = streamed or _Streamed(request, await service.redactor(None), None)
            await streamed.end(write)


class _Streamed:
    """One text in pieces. Raises an error for a policy that it cannot have."""

    def __init__(self, request: Request, redactor: Redactor, context: str | None) -> None:
        self._service = service_of(request)
        self._client = client_of(request)
        self._stream = StreamRedactor(redactor, context)
        self._coverage = Coverage(0, 0)

    async def feed(self, text: str, write: Callable[[Any], Awaitable[None]]) -> None:
        """Write what is final with this piece."""
        for at in range(0, len(text), BLOCK):
            self._stream.feed(text[at : at + BLOCK])
            await self._write(write)

    async def end(self, write: Callable[[Any], Awaitable[None]]) -> None:
        """Write the rest, and how all of it was read."""
        self._stream.end()
        await self._write(write)
        await write({"done": True, "usage": self._coverage.to_dict()})

    async def _write(self, write: Callable[[Any], Awaitable[None]]) -> None:
        async for made, coverage in self._service.final_parts(self._stream, self._client):
            self._coverage = Coverage.sum([self._coverage, coverage])
            if made.text or made.replacements:
                await write({"text": made.text, "replacements": [each.to_dict() for each in made.replacements]})
