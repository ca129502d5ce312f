"""A policy: what is done with the spans of each label. One schema for Python, files and HTTP; TOML, JSON or a dict.

All of it is checked before anything starts: what cannot be meant would leave a value in a text.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, ValidationError, model_validator

from vtag.errors import VtagError, error, listed, short
from vtag.redact import keys
from vtag.redact.actions import ACTIONS, STRICT, AnyAction, Label
from vtag.redact.keys import Key

Name = Annotated[str, StringConstraints(pattern=r"\S")]
Probability = Annotated[float, Field(ge=0, le=1)]
# The label of what a list of denied values finds, unless they are listed by label.
DENIED = "DENIED"


class KeySource(BaseModel):
    """Where the key is: the name of an environment variable, or a file."""

    model_config = STRICT

    env: Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]{0,39}$")] | None = None
    file: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> KeySource:
        if (self.env is None) == (self.file is None):
            raise ValueError("one of env and file")
        return self

    def load(self) -> Key:
        """The key itself."""
        return keys.from_environment(self.env) if self.env is not None else keys.from_file(self.file or "")


def _by_label(value: Any) -> Any:
    return {DENIED: value} if isinstance(value, list | tuple) else value


class Policy(BaseModel):
    """A checked policy.

    default: the action for labels that are not named; `label` unless it is written. labels: actions by label.
    threshold: a word is redacted too where its label has at least this probability, and a span that is less probable
    is not; by label if it is a table ("*": all others). None: the spans that `tag` finds.
    allow: values that stay, whatever their label. deny: values that are redacted wherever they stand, by label.
    context: the field of a record whose value shares an offset of dates ("shift").
    key: where the key is; the environment variable VTAG_REDACT_KEY unless it is written.
    """

    model_config = STRICT

    version: Literal[1] = 1
    default: AnyAction = Label()
    labels: dict[Name, AnyAction] = {}
    threshold: Probability | dict[Name, Probability] | None = None
    allow: list[Name] = []
    deny: Annotated[dict[Name, list[Name]], BeforeValidator(_by_label)] = {}
    context: Name | None = None
    key: KeySource = KeySource(env=keys.ENVIRONMENT)

    @property
    def actions(self) -> set[str]:
        """The actions that it uses."""
        return {how.action for how in (self.default, *self.labels.values())}

    @property
    def keyed(self) -> bool:
        """Whether it needs a key."""
        return any(ACTIONS[action].keyed for action in self.actions)

    @property
    def mapped(self) -> list[str]:
        """The actions that it uses for which a mapping leads back; they need the whole text."""
        return sorted(action for action in self.actions if ACTIONS[action].mapped)

    def unknown_labels(self, known: Container[str]) -> list[str]:
        """Its labels that the model does not have."""
        asked = [*self.labels, *(self.threshold if isinstance(self.threshold, dict) else ())]
        return [label for label in asked if label not in known and label not in self.deny and label != "*"]

    def check_labels(self, known: list[str]) -> None:
        """Raise SettingError for a label that the model does not have: a typo would let values through."""
        if unknown := self.unknown_labels(known):
            raise error("policy_label", label=short(unknown[0]), names=listed(known))

    def identity(self, key: Key | None) -> str:
        """Tells this policy from others; with a key by its HMAC, as lists of values could be guessed."""
        content = json.dumps(self.model_dump(mode="json", exclude={"key"}), sort_keys=True)
        if key is not None:
            return key.digest("policy", "", content).hex()[:16]
        return hashlib.sha256(content.encode()).hexdigest()[:16]


PolicySource = Policy | Mapping[str, Any] | str | Path | None


def load(source: PolicySource, *, shown: Iterable[str] | None = None) -> Policy:
    """A policy from a file (.toml, else JSON), a mapping, or None: each value is replaced by its label.

    shown: the names that errors may have beside those of vtag; None: all that the policy has. Raises SettingError,
    without any of its values.
    """
    if isinstance(source, Policy):
        return source
    if source is None:
        return Policy()
    content = read(source) if isinstance(source, str | Path) else source
    if not isinstance(content, Mapping):
        raise error("policy_table")
    try:
        policy = Policy.model_validate(dict(content))
    except ValidationError as refused:
        raise _complaint(refused, None if shown is None else {*NAMES, *shown}) from None
    if policy.context is not None and "shift" not in policy.actions:
        raise error("policy_context")
    return policy


def files(source: PolicySource, policy: Policy | None) -> list[str | Path]:
    """The files that a policy was read from and needs: its own, and that of its key."""
    own = [source] if isinstance(source, str | Path) else []
    return own if policy is None or policy.key.file is None else [*own, policy.key.file]


def read(path: str | Path) -> Any:
    """The content of a policy's file."""
    file = Path(path)
    try:
        text = file.read_text("utf-8")
        return tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except OSError as cause:
        raise error("policy_unreadable", path=path, reason=cause.strerror or type(cause).__name__) from cause
    except (ValueError, RecursionError):
        raise error("policy_broken", path=path, format="TOML" if file.suffix == ".toml" else "JSON") from None


# Parameters that people try, and that would hold a secret.
_SECRETS = {"key", "salt", "secret", "password", "pepper"}


# What texts with a form of their own look like.
FORMS = {"char": "must be one visible character", "locale": "must be a locale such as de_DE"}


# Fields, actions and their parameters.
NAMES = {*Policy.model_fields, *ACTIONS, *(name for row in ACTIONS.values() for name in row.parameters.model_fields)}


def _complaint(refused: ValidationError, shown: Container[str] | None) -> VtagError:
    """The first thing that is wrong, without the value that was given; shown: names that may be named, None: all."""
    errors = refused.errors(include_url=False, include_input=False, include_context=False)
    # Of a field that may be several types, the complaint that knows most.
    first = max((each for each in errors if each["loc"][0] == errors[0]["loc"][0]), key=lambda each: len(each["loc"]))
    place = [str(part) for part in first["loc"]]
    if place[0] == "key" or (first["type"] == "extra_forbidden" and place[-1].lower() in _SECRETS):
        return error("policy_key", default=keys.ENVIRONMENT)
    # Between the names are those of pydantic's own types.
    where = ".".join(
        short(part)[1:-1] if shown is None or part in shown or part.isdecimal() else "<name>"
        for part in place
        if not part.startswith(("constrained-", "dict["))
    )
    if first["type"] in ("union_tag_invalid", "union_tag_not_found", "model_attributes_type"):
        return error("policy_action", where=where, names=", ".join(ACTIONS))
    if first["type"] == "extra_forbidden":
        of_action = ACTIONS[place[-2]].parameters if len(place) > 1 and place[-2] in ACTIONS else None
        known = [name for name in (of_action or Policy).model_fields if name != "action"]
        what = f"{place[-2]} takes {listed(known)}" if known and of_action else f"use {listed(known)}"
        return error("policy_parameter", where=where, known=what if known else f"{place[-2]} takes none")
    reason = first["msg"]
    if first["type"] == "string_pattern_mismatch":
        reason = FORMS.get(place[-1], "must not be blank")
    return error("policy_value", where=where, reason=reason)
