"""vtag's own protocol: `POST /v1/tag` and `GET /info`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from fastapi import Request, Response

from vtag._version import __version__
from vtag.decode.top_k import most_probable, span_types
from vtag.errors import error
from vtag.options import STRATEGIES
from vtag.serve.http.responses import TAGGED, as_json, tagged_response, to_json
from vtag.serve.http.route import client_of, routes_of, service_of
from vtag.serve.pipeline.stages import Tagged
from vtag.serve.protocols import schemas
from vtag.tagger import Tagger
from vtag.text.offsets import UNITS, positions
from vtag.types import Encoding
from vtag.view import colors

router = routes_of("vtag")


@router.post("/v1/tag", response_model=schemas.TagResponse, response_model_exclude_unset=True, responses=TAGGED)
async def tag(request: Request, body: schemas.TagRequest) -> Response:
    """Labelled spans of texts, or of texts already split into words, with offsets in the requested unit."""
    if (body.input is None) == (body.words is None):
        raise error("input_or_words", input="input")
    texts = [body.input] if isinstance(body.input, str) else body.input
    words = [body.words] if body.words and isinstance(body.words[0], str) else body.words
    service = service_of(request)
    found = await service.tag(
        texts or words or [],
        schemas.options_of(body),
        _Results(body.top_k, body.return_tokens, body.offset_unit, service.limits.scores),
        client=client_of(request),
        words=words is not None,
        scores=min(body.top_k or 1, len(service.tagger.id2label)) if body.return_tokens else 0,
    )
    content = {"model": service.model, "offset_unit": body.offset_unit, "results": as_json(found.rows)}
    return tagged_response(content, found.coverage)


@router.get("/info", response_model=schemas.Info)
async def info(request: Request) -> dict[str, Any]:
    """The model, its labels, and the limits of a request."""
    service = service_of(request)
    tagger, limits = service.tagger, service.limits
    return {
        "model": service.model,
        "version": __version__,
        "labels": list(dict.fromkeys(tagger.names.labels)),
        "types": service.types,
        "colors": colors([*service.types, *tagger.names.labels]),
        "scheme": tagger.scheme.name,
        "aggregation_strategies": list(STRATEGIES),
        "offset_units": list(UNITS),
        "limits": asdict(limits) | {"tokens": service.most_tokens, "window_tokens": tagger.max_length},
    }


@dataclass(slots=True)
class _Results:
    """Renders `results` of one request to /v1/tag, a piece at a time; raises InputError if they have
    too many scores.
    """

    top_k: int | None
    return_tokens: bool
    offset_unit: str
    scores_left: int

    def __call__(self, found: Tagged, tagger: Tagger) -> list[bytes]:
        """JSON of the result of each text."""
        batch, k = found.batch, self.top_k
        if k:  # before anything is sorted; the scores of tokens were counted before the engine ran
            most = self.scores_left
            self.scores_left -= min(k, len(tagger.id2label)) * sum(map(len, found.spans))
            if self.scores_left < 0:
                raise error("too_many_scores", limit=most)
        rows = tagger.probabilities(batch, found.logits) if k or self.return_tokens else [None] * len(found.spans)
        results: list[bytes] = []
        for encoding, spans, coverage, row in zip(batch.encodings, found.spans, found.coverage, rows, strict=True):
            items = [span.to_dict() for span in spans]
            result: dict[str, Any] = {"spans": items, "usage": coverage.to_dict()}
            if k and row is not None:
                chances, names = span_types(encoding, row, spans, tagger.names.types, multi_label=tagger.multi_label)
                for item, top in zip(items, most_probable(chances, names, k), strict=True):
                    item["top"] = _top(top)
            if self.return_tokens and row is not None:
                result["tokens"] = _tokens(encoding, row, tagger, k)
            if (at := positions(encoding.text, self.offset_unit)) is not None:
                for item in [*items, *result.get("tokens", [])]:
                    item["start"], item["end"] = int(at[item["start"]]), int(at[item["end"]])
            results.append(to_json(result))
        return results


def _tokens(encoding: Encoding, probabilities: np.ndarray, tagger: Tagger, k: int | None) -> list[dict[str, Any]]:
    """The tokens that are not special, each with its most probable label, or its k most probable ones."""
    ordinary = np.flatnonzero(~encoding.special)
    pieces = tagger.token_strings(encoding)
    tops = most_probable(probabilities[ordinary], tagger.names.labels, k or 1, multi_label=tagger.multi_label)
    assert encoding.offsets is not None
    rows: list[dict[str, Any]] = []
    for at, (start, end), top in zip(ordinary.tolist(), encoding.offsets[ordinary].tolist(), tops, strict=True):
        label, score = top[0]
        row = {"token": pieces[at], "start": start, "end": end, "label": label, "score": score}
        rows.append(row | {"top": _top(top)} if k else row)
    return rows


def _top(pairs: list[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"label": label, "score": score} for label, score in pairs]
