"""The Detectors API of FMS Guardrails: `POST /api/v1/text/contents`, with errors in its form."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from pydantic import ConfigDict, Field

from vtag.errors import VtagError
from vtag.options import TagOptions
from vtag.serve.http.responses import ERRORS, TAGGED, as_json, tagged_response, to_json
from vtag.serve.http.route import Route, client_of, routes_of, service_of
from vtag.serve.pipeline.stages import Tagged
from vtag.serve.protocols.schemas import EXAMPLE, Probability, Schema, Strings
from vtag.tagger import Tagger


class DetectorError(Schema):
    """The status, and what went wrong in one line with the fix."""

    code: int
    message: str


class DetectorRoute(Route):
    """Errors have the form that the orchestrator reads."""

    def error_body(self, refused: VtagError) -> dict[str, Any]:
        """The JSON for an error."""
        return {"code": refused.status, "message": str(refused)}


router = routes_of("FMS Guardrails", DetectorRoute)


class DetectorParameters(Schema):
    """`detector_params` of a request."""

    model_config = ConfigDict(extra="forbid")

    threshold: Probability | None = Field(default=None, description="a number from 0 to 1")


class ContentsRequest(Schema):
    """The texts that a detector is to analyse."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"contents": [EXAMPLE], "detector_params": {"threshold": 0.5}}]}
    )

    contents: Strings = Field(description="a list of texts")
    detector_params: DetectorParameters | None = Field(default=None, description="an object with threshold")


class Detection(Schema):
    """One span: `text` is the text from `start` to `end`, which count code points; both `detection` and
    `detection_type` are its label.
    """

    start: int
    end: int
    text: str
    detection: str
    detection_type: str
    score: float


@router.post(
    "/api/v1/text/contents",
    response_model=list[list[Detection]],
    responses={status: {**row, "model": DetectorError} for status, row in ERRORS.items()} | TAGGED,
)
async def text_contents(request: Request, body: ContentsRequest) -> Response:
    """FMS Guardrails' Detectors API: a list of detections for each text. The headers `detector-id` and `x-model-name`
    have no effect: the served model is the only detector.
    """
    threshold = body.detector_params.threshold if body.detector_params else None
    found = await service_of(request).tag(
        body.contents, TagOptions(threshold=threshold), _detections, client=client_of(request)
    )
    return tagged_response(as_json(found.rows), found.coverage)


def _detections(found: Tagged, tagger: Tagger) -> list[bytes]:
    """JSON of the detections of each text."""
    return [
        to_json(
            [
                {
                    "start": span.start,
                    "end": span.end,
                    "text": span.text,
                    "detection": span.label,
                    "detection_type": span.label,
                    "score": span.score,
                }
                for span in spans
            ]
        )
        for spans in found.spans
    ]
