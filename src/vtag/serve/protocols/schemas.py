"""Schemas that protocols share, with examples. Error messages put a field's description after "must be"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from vtag.options import DEFAULT_STRATEGY, DEFAULTS, STRATEGIES, TagOptions
from vtag.text.offsets import UNITS

_STRATEGY = f"one of {', '.join(STRATEGIES)}"
_LABELS = "a list of labels of the model"
OPTIONS = [option.name for option in fields(TagOptions)]
EXAMPLE = "Hi, I'm Marisol Okonkwo from Dunmere."


def _among(names: Iterable[str], value: str) -> str:
    if value not in names:
        raise ValueError
    return value


Strategy = Annotated[
    str, AfterValidator(partial(_among, STRATEGIES)), Field(json_schema_extra={"enum": list(STRATEGIES)})
]
OffsetUnit = Annotated[str, AfterValidator(partial(_among, UNITS)), Field(json_schema_extra={"enum": list(UNITS)})]
Probability = Annotated[float, Field(ge=0, le=1)]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Report only the first wrong element: a million complaints would take a minute, and gigabytes.
Strings = Annotated[list[str], Field(fail_fast=True)]
# In JSON, 1.0 is a whole number.
Whole = Annotated[int, BeforeValidator(_whole)]


class Schema(BaseModel):
    """Base of all schemas. Types are strict: a number in quotes is no number."""

    model_config = ConfigDict(strict=True)


def options_of(asked: Schema, defaults: TagOptions = DEFAULTS) -> TagOptions:
    """The options of `LLM.tag` that a body sets; `defaults` for missing and null fields."""
    present = {name: value for name in OPTIONS if (value := getattr(asked, name, None)) is not None}
    return replace(defaults, **present)


class InferenceParameters(Schema):
    """`parameters` of Hugging Face's Inference schema."""

    model_config = ConfigDict(extra="forbid")

    aggregation_strategy: Strategy | None = Field(default="simple", description=_STRATEGY)
    ignore_labels: Strings | None = Field(default=None, description=_LABELS)
    stride: Annotated[Whole, Field(ge=0)] | None = Field(default=None, description="a whole number of tokens")


class InferenceRequest(Schema):
    """Hugging Face's Inference schema for token classification."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"inputs": EXAMPLE, "parameters": {"aggregation_strategy": "simple"}}]}
    )

    inputs: str | Strings = Field(description="a text, or a list of texts")
    parameters: InferenceParameters | None = Field(
        default=None, description="an object with aggregation_strategy, ignore_labels and stride"
    )


class Entity(Schema):
    """One span in Hugging Face's schema: `entity_group`, or with "none" `entity` and `index`. Offsets: code points."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"entity_group": "GIVEN_NAME", "score": 0.99, "word": "Marisol", "start": 8, "end": 15}]
        }
    )

    entity_group: str | None = None
    entity: str | None = None
    index: int | None = None
    score: float
    word: str
    start: int
    end: int


class TagRequest(Schema):
    """vtag's own schema: texts, or texts that are already split into words."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"input": EXAMPLE},
                {"input": [EXAMPLE, "Call Ann."], "threshold": {"CITY": 0.9, "*": 0.5}, "offset_unit": "utf16"},
                {"words": [["Call", "Ann", "."]], "top_k": 2, "return_tokens": True},
            ]
        },
    )

    input: str | Strings | None = Field(default=None, description="a text, or a list of texts")
    words: Strings | Annotated[list[Strings], Field(fail_fast=True)] | None = Field(
        default=None, description="the words of a text, or a list of such lists"
    )
    aggregation_strategy: Strategy = Field(default=DEFAULT_STRATEGY, description=_STRATEGY)
    threshold: Probability | dict[str, Probability] | None = Field(
        default=None, description='a number from 0 to 1, or such numbers by label ("*": all others)'
    )
    ignore_labels: Strings = Field(default=["O"], description=_LABELS)
    top_k: Annotated[Whole, Field(ge=1)] | None = Field(default=None, description="a whole number of at least 1")
    return_tokens: bool = Field(default=False, description="true or false")
    offset_unit: OffsetUnit = Field(default="codepoint", description=f"one of {', '.join(UNITS)}")


class Likely(Schema):
    """A label (of a token) or a type (of a span) with its probability."""

    label: str
    score: float


class TaggedSpan(Schema):
    """`text` is the text from `start` to `end`; `words` the range of word indices, if words were sent."""

    start: int
    end: int
    label: str
    score: float
    text: str
    words: list[int] | None = None
    top: list[Likely] | None = None


class TaggedToken(Schema):
    """A token that is not special, with its most probable label."""

    token: str
    start: int
    end: int
    label: str
    score: float
    top: list[Likely] | None = None


class Usage(Schema):
    """Tokens of the text, special ones included, the number of windows in which they ran, and that none is left out."""

    tokens: int
    windows: int
    complete: Literal[True]


class TaggedText(Schema):
    """The result of one text."""

    spans: list[TaggedSpan]
    usage: Usage
    tokens: list[TaggedToken] | None = None


class TagResponse(Schema):
    """One result per text, in order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "demo",
                    "offset_unit": "codepoint",
                    "results": [
                        {
                            "spans": [{"start": 8, "end": 15, "label": "GIVEN_NAME", "score": 0.99, "text": "Marisol"}],
                            "usage": {"tokens": 14, "windows": 1, "complete": True},
                        }
                    ],
                }
            ]
        }
    )

    model: str
    offset_unit: OffsetUnit
    results: list[TaggedText]


class Limits(Schema):
    """Limits of a request, and the number of tokens that the model sees at once."""

    body_bytes: int
    values: int
    texts: int
    characters: int
    tokens: int
    scores: int
    requests: int
    window_tokens: int


class Info(Schema):
    """The model that is served; `colors` are those of the terminal and of the page, by type and by label."""

    model: str
    version: str
    labels: list[str]
    types: list[str]
    colors: dict[str, str]
    scheme: str
    aggregation_strategies: list[str]
    offset_units: list[str]
    limits: Limits
