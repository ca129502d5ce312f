"""NeMo Guardrails' GLiNER rails: `POST /v1/extract`, and `POST /v1/chat/completions` in the dialect of NVIDIA's NIM.

NeMo replaces each entity in the text from the last to the first, so no two may overlap, and each occurrence must be
there. It blocks where `total_entities` is above 0, and where the status is not 200.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers

from vtag.decode.overlaps import merge_overlaps
from vtag.errors import error
from vtag.options import TagOptions
from vtag.serve.http.body import parse_json, validated
from vtag.serve.http.responses import TAGGED, as_json, tagged_response, to_json
from vtag.serve.http.route import Route, client_of, routes_of, service_of
from vtag.serve.limits import Limits
from vtag.serve.pipeline.service import Found
from vtag.serve.pipeline.stages import Tagged
from vtag.serve.protocols.schemas import EXAMPLE, Probability, Schema, Strings, Whole
from vtag.tagger import Tagger
from vtag.types import Span

# Returns the JSON of a text's spans.
Form = Callable[[str, Sequence[Span]], bytes]
# The threshold and the model's name of a NeMo configuration that sets none.
THRESHOLD = 0.5
DEFAULT_MODEL = "nvidia/gliner-pii"


class ChatRoute(Route):
    """Refuses all that clients of chat models send, with what the route is for."""

    def parse(self, body: bytes, schema: type[BaseModel], headers: Headers, limits: Limits) -> Any:
        """The body as its schema."""
        content = parse_json(body, limits.values)
        match content:
            case {"messages": [{"role": "user", "content": str(), **more}], **options}:
                if not more and options.keys() <= schema.model_fields.keys():
                    return validated(content, schema)
        raise error("no_chat")


router = routes_of("NeMo Guardrails")
chat_router = routes_of("NeMo Guardrails", ChatRoute)


class GlinerOptions(Schema):
    """The options of both dialects. The model's windows take the place of chunks, and entities are never nested:
    `chunk_length`, `overlap` and `flat_ner` have no effect.
    """

    model_config = ConfigDict(extra="forbid")

    labels: Strings | None = Field(default=None, description="a list of types; empty or left out: all")
    threshold: Probability | None = Field(default=None, description="a number from 0 to 1")
    chunk_length: Annotated[Whole, Field(ge=1)] | None = Field(default=None, description="a whole number of at least 1")
    overlap: Annotated[Whole, Field(ge=0)] | None = Field(default=None, description="a whole number of at least 0")
    flat_ner: bool | None = Field(default=None, description="true or false")


class ExtractRequest(GlinerOptions):
    """The request of NeMo's example server."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": EXAMPLE, "threshold": 0.5}]})

    text: str = Field(description="a text")


class ExtractedEntity(Schema):
    """One span: `value` is the text from `start_position` to `end_position`, which count code points."""

    value: str
    suggested_label: str
    start_position: int
    end_position: int
    score: float


class Extraction(Schema):
    """Every occurrence of every entity, none overlapping another; `tagged_text` has each as `[value](label)`."""

    entities: list[ExtractedEntity]
    total_entities: int
    tagged_text: str


class UserMessage(Schema):
    """The text as the message of a user."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["user"] = Field(description='"user"')
    content: str = Field(description="a text")


class ChatRequest(GlinerOptions):
    """The request of NVIDIA's NIM for GLiNER, in the form of a chat of one message."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"messages": [{"role": "user", "content": EXAMPLE}], "threshold": 0.5}]}
    )

    messages: Annotated[list[UserMessage], Field(min_length=1, max_length=1)] = Field(description="one message")
    model: str | None = Field(
        default=None, description=f"a string: a name of the served model, or NeMo's default, {DEFAULT_MODEL}"
    )


class AssistantMessage(Schema):
    """`content` is JSON: `entities` with text, label, start, end and score, `total_entities` and `tagged_text`."""

    role: Literal["assistant"]
    content: str


class Choice(Schema):
    """The one answer."""

    index: int
    message: AssistantMessage
    finish_reason: Literal["stop"]


class ChatUsage(Schema):
    """Tokens of the text, special ones included; none are generated."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatResponse(Schema):
    """The entities, in the form of OpenAI's chat completions."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: ChatUsage


@router.post("/v1/extract", response_model=Extraction, responses=TAGGED)
async def extract(request: Request, body: ExtractRequest) -> Response:
    """NeMo Guardrails' GLiNER rails, plain: the entities of a text."""
    found = await _found(request, body.text, body, _as_extraction)
    return tagged_response(as_json(found.rows)[0], found.coverage)


@chat_router.post("/v1/chat/completions", response_model=ChatResponse, responses=TAGGED)
async def chat_completions(request: Request, body: ChatRequest) -> Response:
    """NeMo Guardrails' GLiNER rails, in the dialect of NVIDIA's NIM: the entities of one message, as JSON in the
    answer. Nothing is generated.
    """
    service = service_of(request)
    if body.model not in (None, DEFAULT_MODEL):
        service.check_name(body.model)
    (message,) = body.messages
    found = await _found(request, message.content, body, _as_message)
    tokens = found.coverage.tokens
    content = {
        "id": f"chatcmpl-{request.scope.get('request_id') or uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": service.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": as_json(found.rows)[0]},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens},
    }
    return tagged_response(content, found.coverage)


async def _found(request: Request, text: str, asked: GlinerOptions, form: Form) -> Found:
    service = service_of(request)
    if not set(asked.labels or ()) <= set(service.types):
        raise error("label_not_served", names=", ".join(service.types))
    threshold = THRESHOLD if asked.threshold is None else asked.threshold
    render = _Entities(frozenset(asked.labels or service.types), form)
    return await service.tag([text], TagOptions(threshold=threshold), render, client=client_of(request))


@dataclass(frozen=True, slots=True)
class _Entities:
    """Renders spans of the wanted types, without overlaps, in the form of a dialect."""

    wanted: Set[str]
    form: Form

    def __call__(self, found: Tagged, tagger: Tagger) -> list[bytes]:
        """JSON of the result of each text."""
        rows = zip(found.batch.encodings, found.spans, strict=True)
        return [
            self.form(encoding.text, merge_overlaps(span for span in spans if span.label in self.wanted))
            for encoding, spans in rows
        ]


def _as_extraction(text: str, spans: Sequence[Span]) -> bytes:
    return _result(text, spans, ("value", "suggested_label", "start_position", "end_position", "score"))


def _as_message(text: str, spans: Sequence[Span]) -> bytes:
    """JSON in a JSON string."""
    return to_json(_result(text, spans, ("text", "label", "start", "end", "score")).decode())


def _result(text: str, spans: Sequence[Span], fields: Sequence[str]) -> bytes:
    entities = [
        dict(zip(fields, (span.text, span.label, span.start, span.end, span.score), strict=True)) for span in spans
    ]
    return to_json({"entities": entities, "total_entities": len(spans), "tagged_text": tagged_text(text, spans)})


def tagged_text(text: str, spans: Sequence[Span]) -> str:
    """The text with each span as `[value](label)`; spans: in order, without overlaps."""
    parts, end = [], 0
    for span in spans:
        parts += [text[end : span.start], f"[{span.text}]({span.label})"]
        end = span.end
    return "".join([*parts, text[end:]])
