"""The routes of both versions."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from math import prod
from typing import Any

from fastapi import Request, Response
from starlette.convertors import PathConvertor, register_url_convertor

from vtag._version import __version__
from vtag.errors import error
from vtag.options import DEFAULTS
from vtag.serve.http.responses import TAGGED, as_json, coverage_headers, tagged_response, to_json
from vtag.serve.http.route import client_of, routes_of, service_of
from vtag.serve.pipeline.stages import Tagged
from vtag.serve.protocols.kserve.binary import BINARY, BYTES_BEHIND, BinaryRoute, binary_response
from vtag.serve.protocols.kserve.schemas import (
    BYTES,
    INPUT,
    OUTPUT,
    InferRequest,
    InferResponse,
    Live,
    ModelMetadata,
    ModelReady,
    PredictRequest,
    PredictResponse,
    Ready,
    RequestOutput,
    RequestParameters,
    ServerMetadata,
)
from vtag.serve.protocols.schemas import options_of
from vtag.tagger import Tagger


class NameConvertor(PathConvertor):
    """A model's name, which may contain slashes, but does not end like another route."""

    regex = r".*(?<!/infer)(?<!/ready)(?<!:predict)"


register_url_convertor("model", NameConvertor())
router = routes_of("KServe")
binary_router = routes_of("KServe", BinaryRoute)


@router.post(
    "/v1/models/{name:model}:predict",
    response_model=PredictResponse,
    response_model_exclude_unset=True,
    responses=TAGGED,
)
async def predict(request: Request, name: str, body: PredictRequest) -> Response:
    """KServe v1: the spans of each text, as `POST /v1/tag` has them."""
    service = service_of(request)
    service.check_name(name)
    found = await service.tag(body.instances, DEFAULTS, _spans, client=client_of(request))
    return tagged_response({"predictions": as_json(found.rows)}, found.coverage)


@router.get("/v1/models/{name:model}", response_model=ModelReady)
async def predict_ready(request: Request, name: str) -> dict[str, Any]:
    """KServe v1: whether the model can answer."""
    return _model_ready(request, name)


@binary_router.post(
    "/v2/models/{name:model}/infer",
    response_model=InferResponse,
    responses={200: TAGGED[200] | {"content": {BYTES_BEHIND: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def infer(request: Request, name: str, body: InferRequest) -> Response:
    """KServe v2: for each text of the tensor its spans, as JSON. Requests and responses may be binary."""
    service = service_of(request)
    service.check_name(name)
    (tensor,) = body.inputs
    asked = body.parameters or RequestParameters()
    texts = [text for row in tensor.data for text in ([row] if isinstance(row, str) else row)]
    if prod(tensor.shape) != len(texts):
        raise error("bad_shape")
    if any(output.name != OUTPUT for output in body.outputs or ()):
        raise error("no_such_tensor", names=f"{INPUT} and {OUTPUT}")
    found = await service.tag(texts, options_of(asked), _spans, client=client_of(request))
    output: dict[str, Any] = {"name": OUTPUT, "shape": tensor.shape, "datatype": BYTES}
    content = {
        "model_name": service.model,
        "id": body.id or str(uuid.uuid4()),
        "parameters": found.coverage.to_dict(),
        "outputs": [output],
    }
    if _as_bytes(body.outputs, asked):
        return binary_response(content, output, found.rows, coverage_headers(found.coverage))
    output["data"] = [row.decode() for row in found.rows]
    return tagged_response(content, found.coverage)


def _spans(found: Tagged, tagger: Tagger) -> list[bytes]:
    """JSON of the spans of each text."""
    return [to_json([span.to_dict() for span in spans]) for spans in found.spans]


def _as_bytes(outputs: Sequence[RequestOutput] | None, asked: RequestParameters) -> bool:
    if not outputs:
        return bool(asked.binary_data_output)
    parameters = outputs[0].parameters
    return bool(
        asked.binary_data_output if parameters is None or parameters.binary_data is None else parameters.binary_data
    )


@router.get("/v2/models/{name:model}/ready", response_model=ModelReady)
async def model_ready(request: Request, name: str) -> dict[str, Any]:
    """KServe v2: whether the model can answer."""
    return _model_ready(request, name)


@router.get("/v2/models/{name:model}", response_model=ModelMetadata)
async def model_metadata(request: Request, name: str) -> dict[str, Any]:
    """KServe v2: what the model takes and gives."""
    service = service_of(request)
    service.check_name(name)
    return {
        "name": service.model,
        "versions": [],
        "platform": "vtag",
        "inputs": [{"name": INPUT, "datatype": BYTES, "shape": [-1]}],
        "outputs": [{"name": OUTPUT, "datatype": BYTES, "shape": [-1]}],
    }


@router.get("/v2", response_model=ServerMetadata)
async def server_metadata(request: Request) -> dict[str, Any]:
    """KServe v2: this server."""
    return {"name": "vtag", "version": __version__, "extensions": [BINARY]}


@router.get("/v2/health/live", response_model=Live)
async def live(request: Request) -> dict[str, bool]:
    """KServe v2: whether the server runs."""
    return {"live": True}


@router.get("/v2/health/ready", response_model=Ready)
async def ready(request: Request) -> dict[str, bool]:
    """KServe v2: whether it can answer; 503 where its engine is gone."""
    _check_ready(request)
    return {"ready": True}


def _model_ready(request: Request, name: str) -> dict[str, Any]:
    service_of(request).check_name(name)
    _check_ready(request)
    return {"name": name, "ready": True}


def _check_ready(request: Request) -> None:
    service_of(request)
    if request.app.state.client.errored:
        raise error("engine_gone")
