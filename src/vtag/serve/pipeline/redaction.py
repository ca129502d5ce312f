"""Redaction over HTTP: the server's policy and key, and texts whose spans have been found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from vtag.errors import VtagError, error
from vtag.redact import keys
from vtag.redact import policy as policies
from vtag.redact.keys import Key
from vtag.redact.policy import Policy
from vtag.redact.text import Redactor
from vtag.serve.http.responses import to_json
from vtag.serve.pipeline.stages import Tagged
from vtag.tagger import Tagger
from vtag.types import Span


class Redaction:
    """The policy and the key of a server. Requests may bring a policy of their own, but never a key.

    labels: those of the model's spans. Raises SettingError for a policy that does not fit, or whose key cannot be read.
    """

    def __init__(self, labels: Sequence[str], policy: Policy | None = None) -> None:
        policy = policy or Policy()
        self._labels = labels
        self.key = _key(policy)
        self._default = Redactor.for_model(policy, labels, self.key)

    def redactor(self, policy: Mapping[str, Any] | None) -> Redactor:
        """For a request's policy, or for the server's. Raises an error, which has none of the request's names."""
        if policy is None:
            return self._default
        if "key" in policy:
            raise error("policy_key_sent")
        checked = policies.load(policy, shown=self._labels)
        if checked.unknown_labels(self._labels):
            raise error("unknown_label", field="policy")
        if checked.keyed:
            self.required_key()
        return Redactor.for_model(checked, self._labels, self.key)

    def required_key(self) -> Key:
        """The key; raises SettingError if the server has none."""
        if self.key is None:
            raise error("no_server_key", default=keys.ENVIRONMENT)
        return self.key


def _key(policy: Policy) -> Key | None:
    """The key that a policy names, which need not be there if it is not used."""
    try:
        return policy.key.load()
    except VtagError as refused:
        if refused.kind == "no_key" and not policy.keyed:
            return None
        raise


def spans_only(found: Tagged, tagger: Tagger) -> list[bytes]:
    """Renders the spans of each text for `spans_of`, and how it was read."""
    return [
        to_json([[span.start, span.end, span.label, span.score] for span in spans] + [[*coverage]])
        for spans, coverage in zip(found.spans, found.coverage, strict=True)
    ]


def spans_of(row: bytes, text: str) -> list[Span]:
    """The spans of a text."""
    *spans, _ = orjson.loads(row)
    return [Span(start, end, label, score, text[start:end]) for start, end, label, score in spans]
