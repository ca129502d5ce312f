"""The bodies and responses of both versions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from vtag.options import DEFAULT_STRATEGY, STRATEGIES
from vtag.serve.protocols.schemas import EXAMPLE, Probability, Schema, Strategy, Strings, TaggedSpan, Usage, Whole

INPUT, OUTPUT = "input-0", "output-0"
BYTES = "BYTES"


class PredictRequest(Schema):
    """v1: texts."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"instances": [EXAMPLE]}]})

    instances: Strings = Field(description="a list of texts")


class PredictResponse(Schema):
    """v1: the spans of each text."""

    predictions: list[list[TaggedSpan]]


class TensorParameters(Schema):
    """The form of a tensor: JSON, or bytes after it."""

    model_config = ConfigDict(extra="forbid")

    binary_data: bool | None = Field(default=None, description="true or false")
    content_type: Literal["str"] | None = Field(default=None, description='"str"')


class RequestParameters(Schema):
    """Options of `POST /v1/tag` that fit into v2's parameters, and the default form of outputs."""

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
    """v2: a requested output."""

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
    """v2: for each text its spans as JSON."""

    name: str
    shape: list[int]
    datatype: str
    data: list[str]


class InferResponse(Schema):
    """v2: one tensor of spans."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    id: str
    parameters: Usage
    outputs: list[ResponseOutput]


class MetadataTensor(Schema):
    """v2: a tensor that the model takes or returns; -1: any number."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Schema):
    """v2: the inputs and outputs of the model."""

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
