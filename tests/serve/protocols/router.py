"""How vLLM Semantic Router reads a response to `POST /classify`, from the description of its contract `token_spans.v1`.

One breach rejects the whole response. https://github.com/vllm-project/semantic-router, pull request 3498.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

PREFIXES = ("B-", "I-", "E-")
RESERVED = "classification_error"
MOST_REQUEST, MOST_RESPONSE = 256 << 10, 1 << 20


class RejectedError(Exception):
    """Why the router takes nothing of a response."""


@dataclass(frozen=True)
class Mapping:
    """The mapping file: labels that spans may have, without prefixes."""

    labels: frozenset[str]

    @classmethod
    def read(cls, text: str) -> Mapping:
        content = json.loads(text)
        indices, labels = content["label_to_idx"], content["idx_to_label"]
        check(set(content) == {"label_to_idx", "idx_to_label"}, "other keys")
        check(labels == {str(at): label for label, at in indices.items()}, "the two tables differ")
        check(sorted(indices.values()) == list(range(len(indices))), "indices are not 0 to n - 1")
        check(labels["0"] == "O", "index 0 is not O")
        bare = [cut(label) for at, label in labels.items() if at != "0"]
        check(RESERVED not in bare, "a reserved label")
        check("O" not in bare, "O is a label of spans")
        return cls(frozenset(bare))


def accepted(status: int, body: bytes, text: str, mapping: Mapping, model: str | None = None) -> list[dict[str, Any]]:
    """The spans of a response for `text`; raises RejectedError as the router does. model: its llm_model_name."""
    check(200 <= status < 300, f"status {status}")
    check(0 < len(body) <= MOST_RESPONSE, "an empty or too large body")
    content = json.loads(body)
    if isinstance(content, dict):
        check(content.get("error") is None, "an error with status 200")
        check(model is None or content.get("model") in (None, model), "another model")
        check(content.get("truncated_at") is None, "it was not read to its end")
        content = content.get("spans")
    check(isinstance(content, list), "spans are no list")
    seen: set[tuple[str, int, int]] = set()
    spans = [_span(span, text, mapping) for span in content]
    for span in spans:
        key = (span["label"], span["start"], span["end"])
        check(key not in seen, "the same span twice")
        seen.add(key)
    return spans


def _span(span: Any, text: str, mapping: Mapping) -> dict[str, Any]:
    check(isinstance(span, dict), "a span is no object")
    names = [cut(span[name]) for name in ("label", "entity_group") if span.get(name) is not None]
    check(len(names) > 0 and len(set(names)) == 1, "no label, or two")
    check(names[0] in mapping.labels, "a label that is not in the mapping")
    start, end, score = span.get("start"), span.get("end"), span.get("score")
    check(type(start) is int and type(end) is int and 0 <= start < end <= len(text), "offsets outside of the text")
    words = [span[name] for name in ("text", "word") if span.get(name) is not None]
    check(len(words) > 0 and all(word == text[start:end] for word in words), "text is not the slice")
    check(type(score) in (int, float) and math.isfinite(score) and 0 <= score <= 1, "a score outside of 0 to 1")
    for name, at in (("byte_start", start), ("byte_end", end)):
        check(span.get(name) in (None, len(text[:at].encode())), "offsets in bytes that do not agree")
    return {**span, "label": names[0]}


def cut(label: str) -> str:
    """A label without its prefix; only these are known, and only one is cut."""
    return label[2:] if label.startswith(PREFIXES) else label


def check(holds: bool, why: str) -> None:
    if not holds:
        raise RejectedError(why)
