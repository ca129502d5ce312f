"""The way back in texts that others have written, and what is said where there is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.redact.given import KEY, OTHER_KEY
from tests.refusals import refused
from vtag import Span, redact_text, restore
from vtag.redact import mapping as mappings
from vtag.redact.restore import restore_mapped


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)


def sealed(value: str = "Ann") -> str:
    return redact_text(value, [Span(0, len(value), "NAME", 0.9, value)], {"default": "token"}).text


def test_tokens_are_opened_wherever_they_stand_and_in_any_case() -> None:
    token = sealed("Ann Łee\r\n👩‍👩‍👧")
    assert restore(f"Dear {token.upper()},{token}: {token[:-1]} [x]") == (
        f"Dear Ann Łee\r\n👩‍👩‍👧,Ann Łee\r\n👩‍👩‍👧: {token[:-1]} [x]"
    )


def test_a_wrong_key_and_a_changed_token_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    token = sealed()
    other = "a" if token[-2] != "a" else "b"
    refused("token_refused", "at character 3", lambda: restore(f"Hi {token[:-2]}{other}]"))
    monkeypatch.setenv("VTAG_REDACT_KEY", OTHER_KEY)
    refused("token_refused", "not made under this key", lambda: restore(token))
    monkeypatch.delenv("VTAG_REDACT_KEY")
    refused("no_key", "VTAG_REDACT_KEY", lambda: restore(token))


def test_a_mapping_alone_asks_for_no_key_and_leaves_tokens_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    token = sealed()
    monkeypatch.delenv("VTAG_REDACT_KEY")
    mapping = {"[NAME_1]": "Bob", "Carl": "Ann"}
    assert restore(f"{token} [NAME_1] Carl", mapping=mapping) == f"{token} Bob Ann"
    assert restore(token, policy={"default": "number"}) == token


def test_what_a_token_holds_is_not_restored_again() -> None:
    text = sealed("[NAME_1]") + "[NAME_1]"
    assert restore(text, policy={"default": "token"}, mapping={"[NAME_1]": "x"}) == "[NAME_1]x"


def test_all_in_one_pass_the_longest_first_and_whole_words() -> None:
    mapping = {"Alice": "Bob", "Bob": "Carl", "Bob Alice": "Dan", "[NAME_1]": "Alice", "(8": "x", "ß": "y"}
    text = "Alice Bob Alice, Bob, Bobby McBob [NAME_1] [NAME_12] (8) (8x ß ßß"
    assert restore_mapped(text, mapping) == "Bob Dan, Carl, Bobby McBob Alice [NAME_12] x) (8x y ßß"


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.text(max_size=4), max_size=6), st.text(max_size=40))
def test_without_a_key_of_the_mapping_a_text_stays(mapping: dict[str, str], text: str) -> None:
    assert restore_mapped(text, {key: value for key, value in mapping.items() if key not in text}) == text


def test_mappings_are_read_as_they_were_written_and_not_otherwise() -> None:
    given = [{"[NAME_1]": "Ann\n\u2028", "Çarl": '"'}, {}, {"[NAME_1]": "Bob"}]
    written = mappings.lines(given[:1], 1) + mappings.lines(given[1:], 2)
    lines = written.splitlines(keepends=True)
    assert [*mappings.read(lines, "m")] == given
    for at, changed in (
        (1, [lines[0].replace(b"Ann", b"Eve"), *lines[1:]]),
        (2, [lines[0], lines[2]]),
        (3, [*lines[:2], lines[2][:-1]]),
        (1, [b"[]\n"]),
        (1, [b"\xff\n"]),
        (1, [b"\n"]),
    ):
        refused("mapping_changed", f"m: line {at} ", lambda lines=changed: [*mappings.read(lines, "m")])  # type: ignore[misc]
    assert mappings.digest(given) == (3, mappings.digest(given)[1])
    assert mappings.digest(given)[1] != mappings.digest(given[1:])[1]
