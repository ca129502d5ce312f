"""Presidio's anonymizer schema: `POST /anonymize` and `POST /deanonymize`, as far as it is safe.

Where it is not: secrets never come in a request, so `hash` and `encrypt` use the server's key, and make what the
actions `hash` and `token` make; spans that overlap become one, where Presidio would write some characters twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, NamedTuple

from fastapi import Request
from pydantic import ConfigDict, Field

from vtag.errors import error, listed
from vtag.redact import placeholders
from vtag.redact.keys import Key
from vtag.redact.placeholders import TOKEN, Tokens
from vtag.redact.text import normalised
from vtag.serve.http.route import routes_of, service_of
from vtag.serve.pipeline.redaction import Redaction
from vtag.serve.pipeline.service import Service
from vtag.serve.protocols.schemas import EXAMPLE, Schema, Whole

router = routes_of("Presidio")
Offset = Annotated[Whole, Field(ge=0)]


class AnalyzerResult(Schema):
    """One span, as `POST /analyze` answers it. Offsets: code points."""

    start: Offset = Field(description="a whole number")
    end: Offset = Field(description="a whole number")
    entity_type: Annotated[str, Field(min_length=1)] = Field(description="a label")
    score: float = Field(default=0.0, description="a number from 0 to 1")


class OperatorConfig(Schema):
    """What is done with the spans of an entity."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="the name of an operator")
    # It may stand in the new text as often as there are spans.
    new_value: Annotated[str, Field(max_length=1000)] | None = Field(
        default=None, description="a string of at most 1,000 characters"
    )
    masking_char: Annotated[str, Field(max_length=1)] | None = Field(default=None, description="one character")
    chars_to_mask: Whole | None = Field(default=None, description="a whole number")
    from_end: bool | None = Field(default=None, description="true or false")
    hash_type: str | None = Field(default=None, description="left out: hashes are HMAC-SHA256")
    salt: Any = Field(default=None, description="left out")
    key: Any = Field(default=None, description="left out")


Operators = dict[str, OperatorConfig]


class AnonymizeRequest(Schema):
    """A text with its spans, and an operator for each entity; `DEFAULT` is that of all others."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "text": EXAMPLE,
                    "analyzer_results": [{"start": 8, "end": 15, "entity_type": "GIVEN_NAME", "score": 0.99}],
                    "anonymizers": {"DEFAULT": {"type": "replace", "new_value": "<NAME>"}},
                }
            ]
        },
    )

    text: str = Field(description="a text")
    analyzer_results: list[AnalyzerResult] = Field(description="a list of spans: start, end, entity_type, score")
    anonymizers: Operators | None = Field(default=None, description="an object: for each entity an operator")


class OperatorResult(Schema):
    """What stands in the new text in place of a span, and where."""

    start: Offset
    end: Offset
    entity_type: str
    text: str = ""
    operator: str = ""


class DeanonymizeRequest(Schema):
    """An anonymized text with the items of its response."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(description="a text")
    anonymizer_results: list[OperatorResult] = Field(description="a list of items: start, end, entity_type")
    deanonymizers: Operators | None = Field(default=None, description="an object: for each entity an operator")


class EngineResult(Schema):
    """The new text, and its items from the last one to the first."""

    text: str
    items: list[OperatorResult]


class _Place(NamedTuple):
    start: int
    end: int
    label: str
    score: float = 0.0


@router.post("/anonymize", response_model=EngineResult)
async def anonymize(request: Request, body: AnonymizeRequest) -> dict[str, Any]:
    """Presidio's anonymizer. `hash` and `encrypt` use the server's key; `custom` and `surrogate_ahds` do not exist."""
    service = service_of(request)
    operators = _operators(body.anonymizers, ANONYMIZERS, "replace", service.redaction)
    found = [_Place(each.start, each.end, each.entity_type, each.score) for each in body.analyzer_results]

    def made() -> dict[str, Any]:
        return _replaced(body.text, merged(body.text, found), operators)

    return await _in_thread(service, body.text, made)


@router.post("/deanonymize", response_model=EngineResult)
async def deanonymize(request: Request, body: DeanonymizeRequest) -> dict[str, Any]:
    """The way back from `encrypt`, by the server's key. Raises an error for what this key did not make."""
    service = service_of(request)
    operators = _operators(body.deanonymizers, DEANONYMIZERS, "decrypt", service.redaction)
    found = sorted(_Place(each.start, each.end, each.entity_type) for each in body.anonymizer_results)
    return await _in_thread(service, body.text, partial(_replaced, body.text, found, operators))


@router.get("/anonymizers", response_model=list[str])
async def anonymizers(request: Request) -> list[str]:
    """The operators of `POST /anonymize`."""
    return [*ANONYMIZERS]


@router.get("/deanonymizers", response_model=list[str])
async def deanonymizers(request: Request) -> list[str]:
    """The operators of `POST /deanonymize`."""
    return [*DEANONYMIZERS]


# An operator with its parameters and key: (value, label, place) -> what takes its place.
Operate = Callable[[str, str, int], str]


def _replace(config: OperatorConfig, key: Key | None) -> Operate:
    return lambda value, label, at: config.new_value or f"<{label}>"


def _redact(config: OperatorConfig, key: Key | None) -> Operate:
    return lambda value, label, at: ""


def _keep(config: OperatorConfig, key: Key | None) -> Operate:
    return lambda value, label, at: value


def _mask(config: OperatorConfig, key: Key | None) -> Operate:
    char, count, from_end = config.masking_char, config.chars_to_mask, config.from_end
    if char is None or count is None or from_end is None:
        raise error("operator_parameters", type="mask", names="masking_char, chars_to_mask and from_end")

    def mask(value: str, label: str, at: int) -> str:
        hidden = min(max(count, 0), len(value))
        return value[: len(value) - hidden] + char * hidden if from_end else char * hidden + value[hidden:]

    return mask


def _hash(config: OperatorConfig, key: Key) -> Operate:
    return lambda value, label, at: placeholders.hashed(label, normalised(value), key, 16)


def _encrypt(config: OperatorConfig, key: Key) -> Operate:
    tokens = Tokens(key)
    return lambda value, label, at: tokens.seal(label, value)


def _decrypt(config: OperatorConfig, key: Key) -> Operate:
    tokens = Tokens(key)

    def decrypt(value: str, label: str, at: int) -> str:
        match = TOKEN.fullmatch(value)
        opened = tokens.open(match[1], match[2]) if match else None
        if opened is None:
            raise error("token_refused", at=at)
        return opened

    return decrypt


class _Row(NamedTuple):
    """An operator; keyed: whether it needs the server's key."""

    of: Callable[[OperatorConfig, Any], Operate]
    keyed: bool = False


ANONYMIZERS = {
    "encrypt": _Row(_encrypt, keyed=True),
    "hash": _Row(_hash, keyed=True),
    "keep": _Row(_keep),
    "mask": _Row(_mask),
    "redact": _Row(_redact),
    "replace": _Row(_replace),
}
DEANONYMIZERS = {"decrypt": _Row(_decrypt, keyed=True), "deanonymize_keep": _Row(_keep)}


def _operators(
    asked: Operators | None, known: Mapping[str, _Row], default: str, redaction: Redaction
) -> dict[str, tuple[str, Operate]]:
    """For each entity, and DEFAULT, the name of its operator, and the operator. Raises SettingError."""
    found = {}
    for entity, config in ({"DEFAULT": OperatorConfig(type=default)} | (asked or {})).items():
        row = known.get(config.type)
        if row is None:
            raise error("no_operator", names=listed([*known]))
        if config.key is not None or config.salt is not None or config.hash_type not in (None, "sha256"):
            raise error("operator_secret", type=config.type)
        found[entity] = config.type, row.of(config, redaction.required_key() if row.keyed else None)
    return found


def merged(text: str, found: Sequence[_Place]) -> list[_Place]:
    """Presidio's rules for spans that meet, and one more, so that the result is in order and no two overlap.

    Overlapping ones of a label are one; one within another is dropped, of equal ones the less probable. What overlaps
    then is one too, with the label of the most probable. Of a label, what only spaces part is one.
    """
    by_label: dict[str, list[_Place]] = {}
    for place in sorted(found):
        same = by_label.setdefault(place.label, [])
        if same and place.start < same[-1].end:
            same[-1] = _union(same[-1], place)
        else:
            same.append(place)
    inside: list[_Place] = []
    for place in sorted((each for same in by_label.values() for each in same), key=_outer_first):
        if not inside or place.end > inside[-1].end:
            inside.append(place)
    apart: list[_Place] = []
    for place in inside:
        last = apart[-1] if apart else None
        if (last and place.start < last.end) or (
            last and last.label == place.label and re.fullmatch(" +", text[last.end : place.start])
        ):
            apart[-1] = _union(last, place)
        else:
            apart.append(place)
    return apart


def _outer_first(place: _Place) -> tuple[int, int, float]:
    return place.start, -place.end, -place.score


def _union(one: _Place, other: _Place) -> _Place:
    likelier = other if other.score > one.score else one
    return _Place(one.start, max(one.end, other.end), likelier.label, likelier.score)


def _replaced(text: str, places: Sequence[_Place], operators: Mapping[str, tuple[str, Operate]]) -> dict[str, Any]:
    """The new text, and its items. Raises InputError for places that overlap, or are not in the text."""
    parts: list[str] = []
    items = []
    at = length = 0
    for number, (start, end, label, _) in enumerate(places):
        if not at <= start <= end <= len(text):
            raise error("bad_span", number=number)
        name, operate = operators.get(label) or operators["DEFAULT"]
        made = operate(text[start:end], label, start)
        begin = length + start - at
        length = begin + len(made)
        items.append({"start": begin, "end": length, "entity_type": label, "text": made, "operator": name})
        parts += (text[at:start], made)
        at = end
    return {"text": "".join([*parts, text[at:]]), "items": items[::-1]}


async def _in_thread(service: Service, text: str, function: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    if len(text) > service.limits.characters:
        raise error("text_too_long", index=0, limit=service.limits.characters)
    return await service.in_thread(function, len(text))
