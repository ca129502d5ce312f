"""vLLM Semantic Router's contract `token_spans.v1`: `POST /classify`.

The router refuses a whole response for one span with a label that is not in its mapping file, which `vtag labels MODEL
--format semantic-router` writes.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers

from vtag.errors import error
from vtag.options import TagOptions
from vtag.serve.http.body import parse_json, validated
from vtag.serve.http.responses import TAGGED, as_json, tagged_response, to_json
from vtag.serve.http.route import Route, client_of, routes_of, service_of
from vtag.serve.limits import Limits
from vtag.serve.pipeline.stages import Tagged
from vtag.serve.protocols.schemas import EXAMPLE, Probability, Schema, Strings
from vtag.tagger import Tagger


class ClassifyRoute(Route):
    """Other clients post to this path too: their bodies are refused with what to do instead."""

    def parse(self, body: bytes, schema: type[BaseModel], headers: Headers, limits: Limits) -> Any:
        """The body as its schema."""
        content = parse_json(body, limits.values)
        match content:
            case {"input": _}:  # vLLM's /classify, for classes of whole texts
                raise error("classifies_spans")
            case {"parameters": {"context": _} | {"question": _}}:  # the router's hallucination detector
                raise error("no_pairs")
        return validated(content, schema)


router = routes_of("Semantic Router", ClassifyRoute)


class ClassifyParameters(Schema):
    """`parameters` of a request."""

    model_config = ConfigDict(extra="forbid")

    threshold: Probability | None = Field(default=None, description="a number from 0 to 1")


class ClassifyRequest(Schema):
    """The request of `token_spans.v1`; lists of texts, `parameters` and `model` are vtag's additions."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"inputs": EXAMPLE}]})

    inputs: str | Strings = Field(description="a text, or a list of texts")
    parameters: ClassifyParameters | None = Field(default=None, description="an object with threshold")
    model: str | None = Field(default=None, description="a string: a name of the served model")


class ClassifiedSpan(Schema):
    """`text` is the text from `start` to `end`, which count code points; `label` has no prefix."""

    label: str
    score: float
    text: str
    start: int
    end: int


class Envelope(Schema):
    """All spans of one text."""

    spans: list[ClassifiedSpan]
    model: str


@router.post("/classify", response_model=Envelope | list[Envelope], responses=TAGGED)
async def classify(request: Request, body: ClassifyRequest) -> Response:
    """`token_spans.v1`: the spans of a text in an envelope, of a list of texts in a list of envelopes, in order."""
    service = service_of(request)
    if body.model is not None:
        service.check_name(body.model)
    found = await service.tag(
        [body.inputs] if isinstance(body.inputs, str) else body.inputs,
        TagOptions(threshold=body.parameters.threshold if body.parameters else None),
        _spans,
        client=client_of(request),
    )
    model = body.model or service.model
    envelopes = [{"spans": spans, "model": model} for spans in as_json(found.rows)]
    return tagged_response(envelopes[0] if isinstance(body.inputs, str) else envelopes, found.coverage)


def _spans(found: Tagged, tagger: Tagger) -> list[bytes]:
    """JSON of the spans of each text."""
    fields = ClassifiedSpan.model_fields
    return [to_json([{name: getattr(span, name) for name in fields} for span in spans]) for spans in found.spans]
