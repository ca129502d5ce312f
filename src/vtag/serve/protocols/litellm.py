"""LiteLLM's generic guardrail: `POST /beta/litellm_basic_guardrail_api`. It redacts by the server's policy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

from fastapi import Request, Response
from pydantic import ConfigDict, Field

from vtag.redact.passages import Passage
from vtag.redact.stream import StreamRedactor
from vtag.redact.text import Redactor
from vtag.serve.http.responses import TAGGED, tagged_response
from vtag.serve.http.route import client_of, routes_of, service_of
from vtag.serve.pipeline.redaction import spans_of, spans_only
from vtag.serve.protocols.schemas import EXAMPLE, Schema, Strings

router = routes_of("LiteLLM")


class GuardrailRequest(Schema):
    """The texts of a request to a language model, or of its response. Other fields have no effect: images, tools and
    their calls are not read.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"input_type": "request", "texts": [EXAMPLE]}]})

    input_type: Literal["request", "response"] = Field(description='"request" or "response"')
    texts: Strings | None = Field(default=None, description="a list of texts")


class GuardrailResponse(Schema):
    """The texts, if any was changed. Of a response's texts, so many characters at the end may still change while it is
    streamed.
    """

    action: Literal["NONE", "GUARDRAIL_INTERVENED"]
    texts: list[str] | None = None
    stream_holdback_chars: list[int] | None = None


@router.post(
    "/beta/litellm_basic_guardrail_api",
    response_model=GuardrailResponse,
    response_model_exclude_unset=True,
    responses=TAGGED,
)
async def guardrail(request: Request, body: GuardrailRequest) -> Response:
    """LiteLLM's generic guardrail: texts without the values of their spans, by the server's policy.

    Of a response LiteLLM sends all that has come so far, again and again. It is redacted as a stream is, so that what
    is final stays as it is; the rest is held back.
    """
    service = service_of(request)
    texts = body.texts or []
    redactor = await service.redactor(None)
    contexts = redactor.contexts(None, len(texts))
    if body.input_type == "request" or redactor.policy.mapped:
        found = await service.tag(texts, redactor.options, spans_only, client=client_of(request))
        made = await service.in_thread(partial(_whole, redactor, texts, contexts, found.rows), sum(map(len, texts)))
    else:
        ways = await service.in_thread(partial(_cut, redactor, texts), sum(map(len, texts)))
        passages = [passage.text for _, final, rest in ways for passage in (*final, *rest)]
        found = await service.tag_all(passages, redactor.options, spans_only, client=client_of(request))
        made = await service.in_thread(partial(_streamed, ways, iter(found.rows)), sum(map(len, passages)))
    new = [text for text, _ in made]
    content: dict[str, Any] = {"action": "NONE"} if new == texts else {"action": "GUARDRAIL_INTERVENED", "texts": new}
    if body.input_type == "response":
        content["stream_holdback_chars"] = [held for _, held in made]
    return tagged_response(content, found.coverage)


def _whole(redactor: Redactor, texts: list[str], contexts: list[str], rows: list[bytes]) -> list[tuple[str, int]]:
    """The new texts, all of which may change with what follows."""
    new = [
        redactor.redact(text, spans_of(row, text), context, index=index).text
        for index, (text, context, row) in enumerate(zip(texts, contexts, rows, strict=True))
    ]
    return [(text, len(text)) for text in new]


# A text as a stream, its passages that are followed by others, and the last one.
_Way = tuple[StreamRedactor, list[Passage], list[Passage]]


def _cut(redactor: Redactor, texts: list[str]) -> list[_Way]:
    """The passages of each text."""
    ways = []
    for text in texts:
        stream = StreamRedactor(redactor)
        ways.append((stream, stream.feed(text), stream.end()))
    return ways


def _streamed(ways: list[_Way], rows: Iterator[bytes]) -> list[tuple[str, int]]:
    """The new texts, and how many characters at the end of each may change with what follows."""
    made = []
    for stream, *parts in ways:
        final, rest = (
            "".join(stream.redact(passage, spans_of(next(rows), passage.text)).text for passage in passages)
            for passages in parts
        )
        made.append((final + rest, len(rest)))
    return made
