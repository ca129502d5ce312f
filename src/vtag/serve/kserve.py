"""KServe's protocols, v1 and v2 (Open Inference Protocol): spans where its own token classifiers give label ids."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Sequence
from math import prod
from typing import Annotated, Any, Literal

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.datastructures import Headers

import vtag
from vtag.errors import error
from vtag.options import DEFAULT_STRATEGY, DEFAULTS, STRATEGIES
from vtag.serve.body import checked, from_json
from vtag.serve.http import Route, as_json, client_of, routes_of, serving, to_json
from vtag.serve.limits import Limits
from vtag.serve.pieces import Tagged
from vtag.serve.schemas import EXAMPLE, Probability, Schema, Strategy, Strings, TaggedSpan, Whole, options_of
from vtag.tagger import Tagger

INPUT, OUTPUT = "input-0", "output-0"
BYTES = "BYTES"
# v2's extension: tensors as bytes behind the JSON, whose length this header tells.
BINARY = "binary_tensor_data"
BYTES_BEHIND = "application/octet-stream"
JSON_SIZE = "Inference-Header-Content-Length"


class BinaryRoute(Route):
    """A route that takes a tensor as bytes too."""

    def check_type(self, headers: Headers) -> None:
        """JSON, or a tensor as bytes behind it. Triton's client names no type: only a web page is asked for one."""
        from_page = "origin" in headers or "sec-fetch-site" in headers
        kind = headers.get("content-type")
        if kind is None and not from_page:
            return
        if kind != BYTES_BEHIND or JSON_SIZE not in headers:
            super().check_type(headers)

    def parse(self, body: bytes, schema: type[BaseModel], headers: Headers, limits: Limits) -> Any:
        """As of other routes, once the bytes have been put into the JSON."""
        told = headers.get(JSON_SIZE)
        if told is None:
            return super().parse(body, schema, headers, limits)
        size = int(told) if told.isdecimal() and len(told) < 20 else -1
        if not 0 <= size <= len(body):
            raise error("bad_binary")
        content, behind = from_json(body[:size], limits.values), body[size:]
        match content:
            case {"inputs": [{"parameters": {"binary_data_size": int(length)} as parameters} as tensor]}:
                if length != len(behind):
                    raise error("bad_binary")
                del parameters["binary_data_size"]
                tensor["data"] = _elements(behind, limits.texts)
            case _ if behind:
                raise error("bad_binary")
        return checked(content, schema)


class NameConvertor(PathConvertor):
    """A model's name, which may hold slashes, but does not end in what stands behind it on other routes."""

    regex = r".*(?<!/infer)(?<!/ready)(?<!:predict)"


register_url_convertor("model", NameConvertor())
router = routes_of("KServe")
binary_router = routes_of("KServe", BinaryRoute)


class PredictRequest(Schema):
    """v1: texts."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"instances": [EXAMPLE]}]})

    instances: Strings = Field(description="a list of texts")


class PredictResponse(Schema):
    """v1: the spans of each text."""

    predictions: list[list[TaggedSpan]]


class TensorParameters(Schema):
    """How a tensor is written: as JSON, or as bytes behind it."""

    model_config = ConfigDict(extra="forbid")

    binary_data: bool | None = Field(default=None, description="true or false")
    content_type: Literal["str"] | None = Field(default=None, description='"str"')


class RequestParameters(Schema):
    """Options of `POST /v1/tag` that fit into v2's parameters, and how outputs are written that are not named."""

    model_config = ConfigDict(extra="forbid")

    aggregation_strategy: Strategy = Field(default=DEFAULT_STRATEGY, description=f"one of {', '.join(STRATEGIES)}")
    threshold: Probability | None = Field(default=None, description="a number from 0 to 1")
    binary_data_output: bool | None = Field(default=None, description="true or false")
    content_type: Literal["str"] | None = Field(default=None, description='"str"')


class RequestInput(Schema):
    """v2: a tensor of texts."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="a string")
    shape: Annotated[list[Annotated[Whole, Field(ge=0)]], Field(fail_fast=True, max_length=8)] = Field(
        description="a list of whole numbers"
    )
    datatype: Literal["BYTES"] = Field(description='"BYTES"')
    parameters: TensorParameters | None = Field(default=None, description="an object")
    data: Strings | Annotated[list[Strings], Field(fail_fast=True)] = Field(description="a list of texts")


class RequestOutput(Schema):
    """v2: what is asked for."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="a string")
    parameters: TensorParameters | None = Field(default=None, description="an object")


class InferRequest(Schema):
    """v2: one tensor of texts."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"inputs": [{"name": INPUT, "shape": [1], "datatype": BYTES, "data": [EXAMPLE]}]}]
        },
        protected_namespaces=(),
    )

    id: str | None = Field(default=None, description="a string")
    model_name: str | None = Field(default=None, description="a string")
    model_version: str | None = Field(default=None, description="a string")
    parameters: RequestParameters | None = Field(default=None, description="an object")
    inputs: Annotated[list[RequestInput], Field(fail_fast=True, min_length=1, max_length=1)] = Field(
        description="a list of one tensor"
    )
    outputs: Annotated[list[RequestOutput], Field(fail_fast=True, max_length=1)] | None = Field(
        default=None, description="a list of one output"
    )


class ResponseOutput(Schema):
    """v2: for each text its spans, written as JSON."""

    name: str
    shape: list[int]
    datatype: str
    data: list[str]


class InferResponse(Schema):
    """v2: one tensor of spans."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    id: str
    outputs: list[ResponseOutput]


class MetadataTensor(Schema):
    """v2: a tensor that the model takes or gives; -1: any number."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Schema):
    """v2: what the model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[MetadataTensor]
    outputs: list[MetadataTensor]


class ServerMetadata(Schema):
    """v2: this server."""

    name: str
    version: str
    extensions: list[str]


class Live(Schema):
    """v2: whether the server runs."""

    live: bool


class Ready(Schema):
    """v2: whether it can answer."""

    ready: bool


class ModelReady(Schema):
    """v1 and v2: whether the model can answer."""

    name: str
    ready: bool


@router.post("/v1/models/{name:model}:predict", response_model=PredictResponse, response_model_exclude_unset=True)
async def predict(request: Request, name: str, body: PredictRequest) -> dict[str, Any]:
    """KServe v1: the spans of each text, as `POST /v1/tag` has them."""
    service = serving(request)
    service.check_name(name)
    predictions = await service.tag(body.instances, DEFAULTS, _spans, client=client_of(request))
    return {"predictions": as_json(predictions)}


@router.get("/v1/models/{name:model}", response_model=ModelReady)
async def predict_ready(request: Request, name: str) -> dict[str, Any]:
    """KServe v1: whether the model can answer."""
    return _model_ready(request, name)


@binary_router.post(
    "/v2/models/{name:model}/infer",
    response_model=InferResponse,
    responses={200: {"content": {BYTES_BEHIND: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def infer(request: Request, name: str, body: InferRequest) -> Any:
    """KServe v2: for each text of the tensor its spans, as JSON. Tensors may travel as bytes, both ways."""
    service = serving(request)
    service.check_name(name)
    (tensor,) = body.inputs
    asked = body.parameters or RequestParameters()
    texts = [text for row in tensor.data for text in ([row] if isinstance(row, str) else row)]
    if prod(tensor.shape) != len(texts):
        raise error("bad_shape")
    if any(output.name != OUTPUT for output in body.outputs or ()):
        raise error("no_such_tensor", names=f"{INPUT} and {OUTPUT}")
    rows = await service.tag(texts, options_of(asked), _spans, client=client_of(request))
    output: dict[str, Any] = {"name": OUTPUT, "shape": tensor.shape, "datatype": BYTES}
    answer = {"model_name": service.model, "id": body.id or str(uuid.uuid4()), "outputs": [output]}
    if not _as_bytes(body.outputs, asked):
        output["data"] = [row.decode() for row in rows]
        return answer
    behind = b"".join(struct.pack("<I", len(row)) + row for row in rows)
    output["parameters"] = {"binary_data_size": len(behind)}
    head = to_json(answer)
    return Response(head + behind, headers={JSON_SIZE: str(len(head))}, media_type=BYTES_BEHIND)


def _spans(found: Tagged, tagger: Tagger) -> list[bytes]:
    """JSON of the spans of each text."""
    return [to_json([span.to_dict() for span in spans]) for spans in found.spans]


def _as_bytes(outputs: Sequence[RequestOutput] | None, asked: RequestParameters) -> bool:
    if not outputs:
        return bool(asked.binary_data_output)
    told = outputs[0].parameters
    return bool(asked.binary_data_output if told is None or told.binary_data is None else told.binary_data)


def _elements(tensor: bytes, most: int) -> list[str]:
    """The texts of a tensor of bytes: each its length, uint32, and itself in UTF-8."""
    texts: list[str] = []
    at = 0
    while at < len(tensor):
        if len(texts) == most:
            raise error("too_many_texts", limit=most)
        try:
            (size,) = struct.unpack_from("<I", tensor, at)
            text = tensor[at + 4 : at + 4 + size]
            if len(text) < size:
                raise ValueError
            texts.append(text.decode())
        except (struct.error, ValueError) as cause:
            raise error("bad_binary") from cause
        at += 4 + size
    return texts


@router.get("/v2/models/{name:model}/ready", response_model=ModelReady)
async def model_ready(request: Request, name: str) -> dict[str, Any]:
    """KServe v2: whether the model can answer."""
    return _model_ready(request, name)


@router.get("/v2/models/{name:model}", response_model=ModelMetadata)
async def model_metadata(request: Request, name: str) -> dict[str, Any]:
    """KServe v2: what the model takes and gives."""
    service = serving(request)
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
    return {"name": "vtag", "version": vtag.__version__, "extensions": [BINARY]}


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
    serving(request).check_name(name)
    _check_ready(request)
    return {"name": name, "ready": True}


def _check_ready(request: Request) -> None:
    serving(request)
    if request.app.state.client.errored:
        raise error("engine_gone")
