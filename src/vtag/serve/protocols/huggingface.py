"""Hugging Face's Inference schema, which `huggingface_hub.InferenceClient` speaks."""

from __future__ import annotations

from fastapi import Request, Response

from vtag.options import TagOptions
from vtag.serve.http.responses import TAGGED, as_json, tagged_response, to_json
from vtag.serve.http.route import client_of, routes_of, service_of
from vtag.serve.pipeline.stages import Tagged
from vtag.serve.protocols import schemas
from vtag.tagger import Tagger

router = routes_of("vtag")
HF_DEFAULTS = TagOptions("simple")
HF_RESPONSE = list[schemas.Entity] | list[list[schemas.Entity]]


@router.post("/", response_model=HF_RESPONSE, responses=TAGGED)
async def inference(request: Request, body: schemas.InferenceRequest) -> Response:
    """Hugging Face's Inference schema, for `huggingface_hub.InferenceClient(model=url)`.

    A text gets a list of spans, a list of texts one such list each.
    """
    asked = body.parameters or schemas.InferenceParameters()
    one = isinstance(body.inputs, str)
    found = await service_of(request).tag(
        [body.inputs] if isinstance(body.inputs, str) else body.inputs,
        schemas.options_of(asked, HF_DEFAULTS),
        _as_hf,
        client=client_of(request),
    )
    rows = as_json(found.rows)
    return tagged_response(rows[0] if one else rows, found.coverage)


@router.post("/models/{name:path}", response_model=HF_RESPONSE, responses=TAGGED)
async def inference_by_name(request: Request, name: str, body: schemas.InferenceRequest) -> Response:
    """As `POST /`, for clients that name the model."""
    service_of(request).check_name(name)
    return await inference(request, body)


def _as_hf(found: Tagged, tagger: Tagger) -> list[bytes]:
    """JSON of the spans of each text in Hugging Face's schema."""
    return [to_json([span.to_hf() for span in spans]) for spans in found.spans]
