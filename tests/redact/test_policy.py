"""Policies: what they may say, from which files, and what is said of those that cannot be meant."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.redact.given import KEY
from tests.refusals import refused
from vtag import Span, redact_text
from vtag.errors import VtagError
from vtag.redact import fakes
from vtag.redact import policy as loading
from vtag.redact.policy import Policy
from vtag.redact.text import Redactor

TOML = """
version = 1
default = "label"
threshold = {EMAIL = 0.1, "*" = 0.3}
allow = ["Berlin"]
deny = ["Project X"]
context = "patient"
key = {env = "MY_KEY"}

[labels]
SURNAME = "remove"
DATE = "shift"

[labels.PHONE]
action = "mask"
keep_last = 4
"""


def test_toml_json_and_a_dict_are_one_schema(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(TOML)
    from_toml = loading.load(tmp_path / "policy.toml")
    given = {
        "version": 1,
        "default": {"action": "label"},
        "threshold": {"EMAIL": 0.1, "*": 0.3},
        "allow": ["Berlin"],
        "deny": {"DENIED": ["Project X"]},
        "context": "patient",
        "key": {"env": "MY_KEY"},
        "labels": {
            "SURNAME": {"action": "remove"},
            "DATE": {"action": "shift"},
            "PHONE": {"action": "mask", "keep_last": 4},
        },
    }
    (tmp_path / "policy.json").write_text(json.dumps(given))
    assert (
        from_toml == loading.load(given) == loading.load(str(tmp_path / "policy.json")) == Policy.model_validate(given)
    )
    assert loading.load(from_toml) is from_toml


def test_none_and_an_empty_policy_replace_each_value_by_its_label() -> None:
    assert loading.load(None) == loading.load({}) == Policy()
    assert redact_text("Ann", [Span(0, 3, "NAME", 0.5, "Ann")]).text == "[NAME]"


SECRET = "s3cr3t-" * 6


@pytest.mark.parametrize(
    ("kind", "says", "given"),
    [
        ("policy_action", "labels.NAME: no such action: use one of keep, remove", {"labels": {"NAME": "tokn"}}),
        ("policy_action", "labels.NAME: no such action", {"labels": {"NAME": {}}}),
        ("policy_action", "default: no such action", {"default": 5}),
        (
            "policy_parameter",
            "labels.NAME.mask.keeplast: does not exist: mask takes char, keep_first, keep_last, keep_separators",
            {"labels": {"NAME": {"action": "mask", "keeplast": 4}}},
        ),
        ("policy_parameter", "label takes none", {"default": {"action": "label", "text": "x"}}),
        ("policy_parameter", "colour: does not exist: use version, default", {"colour": 1}),
        ("policy_value", "policy: threshold: Input should be less than or equal to 1", {"threshold": 1.5}),
        ("policy_value", "threshold.NAME: Input should be greater than", {"threshold": {"NAME": -1}}),
        ("policy_value", "threshold", {"threshold": True}),
        ("policy_value", "version: Input should be 1", {"version": 2}),
        ("policy_value", "labels", {"labels": ["NAME"]}),
        ("policy_value", "default.mask.char: must be one visible", {"default": {"action": "mask", "char": "**"}}),
        ("policy_value", "mask.char", {"default": {"action": "mask", "char": "\n"}}),
        ("policy_value", "keep_last", {"default": {"action": "mask", "keep_last": -1}}),
        ("policy_value", "keep_last", {"default": {"action": "mask", "keep_last": "4"}}),
        ("policy_value", "digits", {"default": {"action": "hash", "digits": 4}}),
        ("policy_value", "max_days", {"default": {"action": "shift", "max_days": 0}}),
        ("policy_value", "deny.DENIED.0: must not be blank", {"deny": [" "]}),
        ("policy_value", "allow", {"allow": "Berlin"}),
        ("policy_key", "never holds a key", {"key": SECRET}),
        ("policy_key", "never holds a key", {"key": {"env": SECRET}}),
        ("policy_key", "never holds a key", {"key": {"hex": SECRET}}),
        ("policy_key", "never holds a key", {"key": {"env": "A", "file": "b"}}),
        ("policy_key", "never holds a key", {"key": {}}),
        ("policy_key", "never holds a key", {"default": {"action": "hash", "salt": SECRET}}),
        ("policy_key", "never holds a key", {"labels": {"NAME": {"action": "token", "key": SECRET}}}),
        ("policy_context", "no label is", {"context": "patient", "default": "hash"}),
        ("policy_table", "a policy is a table", ["NAME"]),
        ("policy_table", "a policy is a table", 5),
    ],
)
def test_what_cannot_be_meant_is_one_line_without_the_value(kind: str, says: str, given: Any) -> None:
    refused(kind, says, lambda: loading.load(given))
    with pytest.raises(VtagError) as caught:
        loading.load(given)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.exit_code == 2


def test_files_that_are_no_policy(tmp_path: Path) -> None:
    refused("policy_unreadable", "No such file", lambda: loading.load(tmp_path / "none.toml"))
    refused("policy_unreadable", "Is a directory", lambda: loading.load(tmp_path))
    for name, content in (("a.toml", b"default = "), ("a.json", b"{"), ("b.toml", b"\xff"), ("b.json", b"[" * 100_000)):
        (tmp_path / name).write_bytes(content)
        refused("policy_broken", name, partial(loading.load, tmp_path / name))
    (tmp_path / "list.json").write_text("[]")
    refused("policy_table", "a table", lambda: loading.load(tmp_path / "list.json"))


@pytest.mark.parametrize("given", [{"labels": {"EMIAL": "mask"}}, {"threshold": {"EMIAL": 0.2}}], ids=str)
def test_a_label_that_the_model_lacks_is_refused_and_one_that_is_denied_is_not(given: dict[str, Any]) -> None:
    refused("policy_label", "'EMIAL': choose among EMAIL, NAME", lambda: Redactor.for_model(given, ["EMAIL", "NAME"]))
    Redactor.for_model(given | {"deny": {"EMIAL": ["x"]}}, ["EMAIL", "NAME"])


def test_fakes_need_a_kind_and_a_locale_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)
    for kind, says, given in (
        ("fake_kind", "use one of name, first_name", {"kind": "nmae"}),
        ("fake_no_locale", "no such locale", {"locale": "xx_XX"}),
        ("fake_locale", "has no state", {"kind": "state", "locale": "de_CH"}),
    ):
        policy = {"labels": {"NAME": {"action": "fake"} | given}}
        refused(kind, says, partial(Redactor.for_model, policy, ["NAME"]))


def test_what_is_not_installed_is_named_before_anything_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)
    fakes._generator.cache_clear()
    for action, package in (("fake", "faker"), ("token", "cryptography")):
        monkeypatch.setitem(sys.modules, f"{package}.exceptions" if action == "token" else package, None)
        refused(
            "redact_missing", f"{action} needs {package}", partial(Redactor.for_model, {"default": action}, ["NAME"])
        )
    Redactor.for_model({"default": "hash"}, ["NAME"])


def test_the_identity_tells_policies_apart_and_has_none_of_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)
    policies: list[dict[str, Any]] = [{}, {"deny": ["Ann"]}, {"deny": ["Bob"]}, {"default": "hash"}]
    policies.append({"default": {"action": "hash", "digits": 8}})
    found = [Redactor.for_model(policy, []).identity for policy in policies]
    assert len({str(identity) for identity in found}) == len(policies)
    assert "Ann" not in str(found)
    assert KEY not in str(found)
