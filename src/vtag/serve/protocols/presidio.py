"""Presidio's analyzer schema: `POST /analyze`, and its routes about the model."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Request, Response
from pydantic import ConfigDict, Field

from vtag.options import TagOptions
from vtag.serve.http.responses import TAGGED, Error, as_json, json_response, tagged_response, to_json
from vtag.serve.http.route import client_of, routes_of, service_of
from vtag.serve.pipeline.stages import Tagged
from vtag.serve.protocols.schemas import EXAMPLE, Probability, Schema, Strings, Whole
from vtag.tagger import Tagger
from vtag.types import Span

router = routes_of("Presidio")
# Presidio's own answer where it knows none of the entities, by which its clients know the case.
NO_RECOGNIZERS = "No matching recognizers were found to serve the request."


class AnalyzeRequest(Schema):
    """The request of Presidio's analyzer. `context` and `correlation_id` have no effect: the model
    reads only the text.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": EXAMPLE, "language": "en"}]})

    text: str | Strings = Field(description="a text, or a list of texts")
    language: str | None = Field(default=None, description="a language code, such as en")
    entities: Strings | None = Field(
        default=None, description="a list of names; unknown ones are ignored beside GET /supportedentities' names"
    )
    score_threshold: Probability | None = Field(default=None, description="a number from 0 to 1")
    return_decision_process: bool | None = Field(default=None, description="true or false")
    correlation_id: str | None = Field(default=None, description="a string")
    context: Strings | None = Field(default=None, description="a list of words")
    allow_list: Strings | None = Field(default=None, description="a list of strings that are no entities")
    allow_list_match: Literal["exact"] | None = Field(default=None, description='"exact": expressions are not run here')
    regex_flags: Whole | None = Field(default=None, description="a whole number")
    ad_hoc_recognizers: Annotated[list[Any], Field(max_length=0)] | None = Field(
        default=None, description="left out: they need Presidio's own AnalyzerEngine, with vtag's recognizer in it"
    )


class AnalysisExplanation(Schema):
    """Presidio's trace of a decision: the model's name."""

    recognizer: str
    pattern_name: str | None = None
    pattern: str | None = None
    original_score: float
    score: float
    textual_explanation: str
    score_context_improvement: float = 0
    supportive_context_word: str = ""
    validation_result: bool | None = None
    regex_flags: int | None = None


class NoRecognizers(Schema):
    """None of the entities is one of GET /supportedentities'."""

    error: Annotated[str, Field(json_schema_extra={"const": NO_RECOGNIZERS})] = NO_RECOGNIZERS


class RecognizerResult(Schema):
    """One span in Presidio's schema. Offsets: code points."""

    entity_type: str
    start: int
    end: int
    score: float
    analysis_explanation: AnalysisExplanation | None


@router.post(
    "/analyze",
    response_model=list[RecognizerResult] | list[list[RecognizerResult]],
    responses=TAGGED | {500: {"model": NoRecognizers | Error, "description": "no known entity; a mistake of vtag's"}},
)
async def analyze(request: Request, body: AnalyzeRequest) -> Response:
    """Presidio's analyzer, with the model as its only recognizer: a list of spans for a text, a list
    of lists for many.
    """
    service = service_of(request)
    service.check_language(body.language)
    wanted = frozenset(service.types).intersection(body.entities or service.types)
    if body.entities and not wanted:
        return json_response(NoRecognizers().model_dump(), 500)
    recognizer = service.model if body.return_decision_process else None
    render = _Analysis(wanted, frozenset(body.allow_list or ()), recognizer)
    found = await service.tag(
        [body.text] if isinstance(body.text, str) else body.text,
        TagOptions(threshold=body.score_threshold),
        render,
        client=client_of(request),
    )
    rows = as_json(found.rows)
    return tagged_response(rows[0] if isinstance(body.text, str) else rows, found.coverage)


@router.get("/supportedentities", response_model=list[str])
async def supported_entities(request: Request, language: str | None = None) -> list[str]:
    """The model's types."""
    service_of(request).check_language(language)
    return service_of(request).types


@router.get("/recognizers", response_model=list[str])
async def recognizers(request: Request, language: str | None = None) -> list[str]:
    """The model's name, as the only recognizer."""
    service_of(request).check_language(language)
    return [service_of(request).model]


@dataclass(frozen=True, slots=True)
class _Analysis:
    """Renders spans of the requested types, without the texts on the allow list; recognizer: see `_result`."""

    wanted: Set[str]
    allowed: Set[str]
    recognizer: str | None

    def __call__(self, found: Tagged, tagger: Tagger) -> list[bytes]:
        """JSON of the results of each text."""
        return [to_json([_result(span, self.recognizer) for span in spans if self._is(span)]) for spans in found.spans]

    def _is(self, span: Span) -> bool:
        return span.label in self.wanted and span.text not in self.allowed


def _result(span: Span, recognizer: str | None) -> dict[str, Any]:
    """recognizer: the name for the explanation, if one was requested."""
    why = recognizer and AnalysisExplanation(
        recognizer=recognizer,
        original_score=span.score,
        score=span.score,
        textual_explanation=f"Identified as {span.label} by the token classifier {recognizer}",
    )
    return {
        "entity_type": span.label,
        "start": span.start,
        "end": span.end,
        "score": span.score,
        "analysis_explanation": why.model_dump() if why else None,
    }
