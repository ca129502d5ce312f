"""Keys: where they come from, and that nothing shows them."""

from __future__ import annotations

import copy
import hashlib
import hmac
import pickle
from pathlib import Path

import pytest

from tests.redact.given import KEY, OTHER_KEY
from tests.refusals import refused
from vtag import Span, redact_text
from vtag.redact import keys
from vtag.redact.keys import Key
from vtag.redact.policy import KeySource


def test_a_key_is_read_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("MY_KEY", f" {KEY} ")
    assert KeySource(env="MY_KEY").load().fingerprint == KeySource(file=str(tmp_path / "key")).load().fingerprint
    assert Key(KEY.encode()).fingerprint != Key(OTHER_KEY.encode()).fingerprint


def test_a_missing_or_short_key_is_one_line_that_does_not_say_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("SHORT", "hunter2" * 4)
    refused("no_key", "openssl rand -hex 32", lambda: keys.from_environment("NONE"))
    refused("no_key", "openssl rand -hex 32", lambda: keys.from_environment("EMPTY"))
    refused("key_short", "fewer than 32 bytes", lambda: keys.from_environment("SHORT"))
    for path in (str(tmp_path), str(tmp_path / KEY), "nul\0"):
        with pytest.raises(ValueError, match="cannot be read") as caught:
            keys.from_file(path)
        assert path not in str(caught.value)


def test_a_key_is_not_shown_and_not_sent() -> None:
    key = Key(KEY.encode())
    assert KEY not in repr(key) + str(key) + str(vars(KeySource(env="A")))
    for leave in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            leave(key)


def test_a_hash_is_what_its_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/guides/redact.md: anybody with the key can compute it."""
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)
    of_label = hmac.digest(KEY.encode(), b"vtag/1/hash/NAME", hashlib.sha512)[:32]
    wanted = hmac.digest(of_label, b"Ann Lee", hashlib.sha256).hex()[:16]
    for value in ("Ann Lee", " Ann\u00a0 Lee"):
        made = redact_text(value, [Span(0, len(value), "NAME", 0.9, value)], {"default": "hash"}).text
        assert made.startswith(f"[NAME#{wanted}")
        assert len(made) == len("[NAME#]") + 20
