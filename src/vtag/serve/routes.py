"""vtag's routes: each a function from a checked body to what will be JSON."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

import vtag
from vtag.errors import error
from vtag.serve import schemas
from vtag.serve.http import Route
from vtag.serve.service import Service, Tagged
from vtag.tagger import STRATEGIES
from vtag.text.offsets import UNITS, positions

router = APIRouter(route_class=Route, tags=["vtag"], responses=schemas.ERRORS)
HF_RESPONSE = list[schemas.Entity] | list[list[schemas.Entity]]


@router.post("/", response_model=HF_RESPONSE)
async def inference(request: Request, body: schemas.InferenceRequest) -> list[Any]:
    """Hugging Face's Inference schema, as `huggingface_hub.InferenceClient(model=url)` speaks it.

    A text gets a list of spans, a list of texts one such list each.
    """
    asked = body.parameters or schemas.InferenceParameters()
    one = isinstance(body.inputs, str)
    found = await _service(request).tag(
        [body.inputs] if isinstance(body.inputs, str) else body.inputs,
        aggregation_strategy=asked.aggregation_strategy or "simple",
        ignore_labels=["O"] if asked.ignore_labels is None else asked.ignore_labels,
        stride=asked.stride,
    )
    rows = [[span.to_hf() for span in spans] for spans in found.spans]
    return rows[0] if one else rows


@router.post("/models/{name:path}", response_model=HF_RESPONSE)
async def inference_by_name(request: Request, name: str, body: schemas.InferenceRequest) -> list[Any]:
    """As `POST /`, for clients that name the model."""
    if name != _service(request).model:
        raise error("other_model")
    return await inference(request, body)


@router.post("/v1/tag", response_model=schemas.TagResponse, response_model_exclude_unset=True)
async def tag(request: Request, body: schemas.TagRequest) -> dict[str, Any]:
    """Labelled spans of texts, or of texts already split into words, with offsets in the unit asked for."""
    if (body.input is None) == (body.words is None):
        raise error("input_or_words")
    texts = [body.input] if isinstance(body.input, str) else body.input
    words = [body.words] if body.words and isinstance(body.words[0], str) else body.words
    service = _service(request)
    found = await service.tag(
        texts,
        words=words,
        aggregation_strategy=body.aggregation_strategy,
        ignore_labels=body.ignore_labels,
        threshold=body.threshold,
    )
    results = await service.in_thread(_results, found, body, service)
    return {"model": service.model, "offset_unit": body.offset_unit, "results": results}


@router.get("/info", response_model=schemas.Info)
async def info(request: Request) -> dict[str, Any]:
    """The model, its labels, and what a request may hold."""
    service = _service(request)
    tagger, limits = service.tagger, service.limits
    return {
        "model": service.model,
        "version": vtag.__version__,
        "labels": list(tagger.id2label.values()),
        "types": service.types,
        "scheme": tagger.scheme.name,
        "aggregation_strategies": list(STRATEGIES),
        "offset_units": list(UNITS),
        "limits": {
            "body_bytes": limits.body_bytes,
            "texts": limits.texts,
            "characters": limits.characters,
            "requests": limits.requests,
            "window_tokens": tagger.max_length,
        },
    }


def _service(request: Request) -> Service:
    service: Service = request.app.state.vtag
    return service


def _results(found: Tagged, body: schemas.TagRequest, service: Service) -> list[dict[str, Any]]:
    """`results` of /v1/tag."""
    batch = found.batch
    windows = [0] * len(batch.encodings)
    for window in batch.windows:
        windows[window.text] += 1
    results: list[dict[str, Any]] = []
    for encoding, spans, count in zip(batch.encodings, found.spans, windows, strict=True):
        rows = [span.to_dict() for span in spans]
        results.append({"spans": rows, "usage": {"tokens": len(encoding.ids), "windows": count}})
        if (at := positions(encoding.text, body.offset_unit)) is not None:
            for row in rows:
                row["start"], row["end"] = int(at[row["start"]]), int(at[row["end"]])
    return results
