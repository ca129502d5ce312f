"""LiteLLM's generic guardrail: `POST /beta/litellm_basic_guardrail_api`. It redacts by the server's policy."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from fastapi import Request, Response
from pydantic import ConfigDict, Field

from vtag.redact.stream import StreamRedactor
from vtag.redact.text import Redactor
from vtag.serve.http.responses import TAGGED, tagged_response
from vtag.serve.http.route import client_of, routes_of, service_of
from vtag.serve.pipeline.redaction import spans_of, spans_only
from vtag.serve.protocols.schemas import EXAMPLE, Schema, Strings
from vtag.types import Coverage

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
        coverage = found.coverage
    else:
        service.sizes(texts)  # its limits are those of other routes, though its passages are short
        parts = [await _streamed(request, redactor, text) for text in texts]
        made = [(text, held) for text, held, _ in parts]
        coverage = Coverage.sum([each for _, _, each in parts])
    new = [text for text, _ in made]
    content: dict[str, Any] = {"action": "NONE"} if new == texts else {"action": "GUARDRAIL_INTERVENED", "texts": new}
    if body.input_type == "response":
        content["stream_holdback_chars"] = [held for _, held in made]
    return tagged_response(content, coverage)


def _whole(redactor: Redactor, texts: list[str], contexts: list[str], rows: list[bytes]) -> list[tuple[str, int]]:
    """The new texts, all of which may change with what follows."""
    new = [
        redactor.redact(text, spans_of(row, text), context, index=index).text
        for index, (text, context, row) in enumerate(zip(texts, contexts, rows, strict=True))
    ]
    return [(text, len(text)) for text in new]


async def _streamed(request: Request, redactor: Redactor, text: str) -> tuple[str, int, Coverage]:
    """The new text, and how many characters at its end may change with what follows."""
    stream = StreamRedactor(redactor)
    new, coverage = ["", ""], []
    stream.feed(text)
    for at in range(2):
        async for made, each in service_of(request).final_parts(stream, client_of(request)):
            new[at] += made.text
            coverage.append(each)
        stream.end()
    final, rest = new
    return final + rest, len(rest), Coverage.sum(coverage)
