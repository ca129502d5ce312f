"""The promises of redaction, for any text, spans and policy: nothing of a span stays, and all else does."""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.redact.given import GOLD, KEY, LABELS, OTHER_KEY, OWN, PARTIAL, REVERSIBLE, WHOLE, policies, spanned
from tests.refusals import refused
from vtag import Redacted, Span, redact_text, restore
from vtag.redact import policy as loading
from vtag.redact.placeholders import NUMBERED, PLAIN, TOKEN, plain, shown
from vtag.redact.text import Redactor
from vtag.text.offsets import UNITS, positions

ANY = [*WHOLE, *PARTIAL]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)


def redactor(policy: Any) -> Redactor:
    return Redactor(loading.load(policy), LABELS)


def without(text: str, ranges: list[tuple[int, int]]) -> str:
    """The text without some parts of it."""
    kept, at = [], 0
    for start, end in ranges:
        kept.append(text[at:start])
        at = end
    return "".join([*kept, text[at:]])


def check(text: str, spans: list[Span], redacted: Redacted) -> None:
    """Replacements are in order and apart, they cover each character of each span, and all else is the old text."""
    old = [(each.old_start, each.old_end) for each in redacted.replacements]
    new = [(each.start, each.end) for each in redacted.replacements]
    assert all(before[1] <= after[0] for ranges in (old, new) for before, after in pairwise(ranges))
    covered = {at for start, end in old for at in range(start, end)}
    assert {at for span in spans for at in range(span.start, span.end)} <= covered
    assert without(redacted.text, new) == without(text, old)


@given(spanned(), policies(ANY))
def test_no_character_of_a_span_stays_outside_of_a_replacement_and_all_else_stays_as_it_is(
    case: tuple[str, list[Span]], policy: dict[str, Any]
) -> None:
    text, spans = case
    check(text, spans, redactor(policy).redact(text, spans))


@given(spanned(), policies(WHOLE))
def test_what_takes_the_place_of_a_hidden_value_depends_on_its_label_its_number_or_the_key_alone(
    case: tuple[str, list[Span]], policy: dict[str, Any]
) -> None:
    text, spans = case
    for each, made in replaced(text, redactor(policy).redact(text, spans)):
        if each.action == "keep":  # a placeholder that stood in the text
            assert PLAIN.fullmatch(made) or NUMBERED.fullmatch(made) or made in OWN
        else:
            forms = {"remove": "", "label": plain(each.label), "number": rf"\[{shown(each.label)}_\d+\]"}
            forms |= {"hash": rf"\[{shown(each.label)}#[0-9a-f]{{20}}\]", "token": TOKEN.pattern}
            assert made == forms[each.action] or re.fullmatch(forms[each.action], made)


def replaced(text: str, redacted: Redacted) -> list[tuple[Any, str]]:
    """Each replacement, and what stands in the new text."""
    return [(each, redacted.text[each.start : each.end]) for each in redacted.replacements]


@given(spanned(), policies(ANY), st.sampled_from([*UNITS]))
def test_offsets_address_the_replacements_in_all_units(
    case: tuple[str, list[Span]], policy: dict[str, Any], unit: str
) -> None:
    text, spans = case
    redacted = redactor(policy).redact(text, spans)
    codecs = {"codepoint": ("utf-32-le", 4), "utf16": ("utf-16-le", 2), "utf8": ("utf-8", 1)}
    codec, size = codecs[unit]
    for whole, edges in (
        (redacted.text, [(each.start, each.end) for each in redacted.replacements]),
        (text, [(each.old_start, each.old_end) for each in redacted.replacements]),
    ):
        at = positions(whole, unit)
        for start, end in edges:
            first, last = (start, end) if at is None else (int(at[start]), int(at[end]))
            assert whole.encode(codec)[first * size : last * size].decode(codec) == whole[start:end]


@given(spanned(), policies([action for action in REVERSIBLE if action["action"] != "fake"]))
def test_the_way_back_gives_the_text_byte_for_byte(case: tuple[str, list[Span]], policy: dict[str, Any]) -> None:
    text, spans = case
    assume(no_token_of_ours(text))
    redacted = redactor(policy).redact(text, spans)
    assert restore(redacted.text, policy=policy, mapping=redacted.mapping) == text


@given(spanned(), policies(REVERSIBLE))
def test_the_way_back_from_fakes_does_so_too(case: tuple[str, list[Span]], policy: dict[str, Any]) -> None:
    text, spans = case
    assume(no_token_of_ours(text))
    redacted = redactor(policy).redact(text, spans)
    assert restore(redacted.text, policy=policy, mapping=redacted.mapping) == text
    originals = {text[each.old_start : each.old_end] for each in redacted.replacements}
    assert not {fake.casefold() for fake in redacted.mapping} & {value.casefold() for value in originals}
    assert all(fake not in text for fake in redacted.mapping)


def no_token_of_ours(text: str) -> bool:
    """A token that this key made is a placeholder of ours, and leads further back than to the text."""
    return all(match[0] not in (OWN[8], OWN[10]) for match in TOKEN.finditer(text))


@given(spanned(), st.sampled_from([*WHOLE, *REVERSIBLE]))
def test_equal_values_are_equal_in_any_text_and_another_key_changes_them(
    case: tuple[str, list[Span]], action: dict[str, Any]
) -> None:
    text, spans = case
    value, label = "Ann Lee-Jones", "NAME"
    alone = redactor({"default": action}).redact(value, [Span(0, len(value), label, 0.5, value)]).text
    here = Span(len(text) + 1, len(text) + 1 + len(value), label, 0.5, value)
    beside = redactor({"default": action}).redact(f"{text} {value}", [*spans, here])
    again = beside.text[beside.replacements[-1].start :]
    if action["action"] in ("hash", "token"):
        assert again == alone
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("VTAG_REDACT_KEY", OTHER_KEY)
            assert redactor({"default": action}).redact(value, [Span(0, len(value), label, 0.5, value)]).text != alone
    elif action["action"] == "fake":
        # Unless it stands in the text, or is the fake of another value there.
        assert again == alone or alone.casefold() in text.casefold() or alone in beside.mapping
    elif action["action"] != "number":
        assert again == alone


@given(spanned(), policies(WHOLE), st.data())
def test_redacting_again_changes_no_placeholder(
    case: tuple[str, list[Span]], policy: dict[str, Any], data: st.DataObject
) -> None:
    text, spans = case
    once = redactor(policy)
    redacted = once.redact(text, spans)
    assume(len(redacted.mapping) < 999)
    again = [
        Span(each.start + data.draw(st.integers(0, size)), each.end, data.draw(st.sampled_from(LABELS)), 0.9, "")
        for each in redacted.replacements
        if (size := each.end - each.start) and each.action != "keep"
    ]
    assert once.redact(redacted.text, again).text == redacted.text
    assert once.redact(redacted.text, []).text == redacted.text


@given(st.lists(st.sampled_from([*OWN, "Ann", " "]), min_size=1).map("".join))
def test_what_looks_like_a_placeholder_is_never_taken_for_one(text: str) -> None:
    """Numbers that stand in the text are not given out, and what looks like a token is made one."""
    assume(no_token_of_ours(text))
    spans = [Span(at, at + 3, "NAME", 0.9, "Ann") for at in range(len(text)) if text.startswith("Ann", at)]
    for action in ("number", "token"):
        policy = {"default": action}
        redacted = redactor(policy).redact(text, spans)
        assert restore(redacted.text, policy=policy, mapping=redacted.mapping) == text
        assert not any(placeholder in text for placeholder in redacted.mapping)


def test_gold_texts_lead_back_and_hold_none_of_their_values() -> None:
    policy = {"default": "token", "labels": {"GIVEN_NAME": "number", "CITY": "fake", "STATE": "keep"}}
    for row in GOLD:
        text = row["text"]
        spans = [Span(start, end, label, 1.0, text[start:end]) for start, end, label in row["spans"]]
        redacted = redact_text(text, spans, policy)
        check(text, spans, redacted)
        assert restore(redacted.text, policy=policy, mapping=redacted.mapping) == text
        outside = without(redacted.text, [(each.start, each.end) for each in redacted.replacements])
        assert without(text, [(span.start, span.end) for span in sorted(spans)]) == outside


# --- which action ---


def spans_in(text: str, *found: tuple[str, str]) -> list[Span]:
    return [Span(text.index(value), text.index(value) + len(value), label, 0.9, value) for value, label in found]


@pytest.mark.parametrize("action", ["hash", "token"])
def test_a_value_that_comes_again_has_what_it_had_whatever_its_length(action: str) -> None:
    policy = {"default": action, "labels": {"ID": {"action": "hash", "digits": 8}}}
    again = redactor(policy)
    for value in ("Ann", "ann", " Ann", "Ann" * 30):
        for label in ("NAME", "EMAIL", "ID"):
            span = [Span(0, len(value), label, 1.0, value)]
            assert len({each.redact(value, span).text for each in (again, again, redactor(policy))}) == 1
    assert again.redact("Ann", [Span(0, 3, "NAME", 1.0, "Ann")]) != again.redact("Ann", [Span(0, 3, "ID", 1.0, "Ann")])


def test_a_kept_span_does_not_keep_what_another_one_covers() -> None:
    text = "Ann Lee Street 5"
    spans = spans_in(text, ("Ann Lee Street 5", "PLACE"), ("Ann Lee", "NAME"))
    redacted = redact_text(text, spans, {"labels": {"PLACE": "keep"}})
    assert redacted.text == "[NAME] Street 5"
    assert [(each.label, each.action) for each in redacted.replacements] == [("NAME", "label"), ("PLACE", "keep")]


def test_where_others_overlap_an_action_that_shows_a_part_becomes_the_label() -> None:
    text = "123-45-6789"
    masked: dict[str, Any] = {"labels": {"PHONE": {"action": "mask", "keep_last": 4}, "ID": "remove"}}
    assert redact_text(text, spans_in(text, (text, "PHONE")), masked).text == "*******6789"
    both = [Span(0, 11, "PHONE", 0.9, text), Span(4, 11, "ID", 0.2, text[4:])]
    assert redact_text(text, both, masked).text == "[PHONE]"
    masked["labels"]["ID"] = masked["labels"]["PHONE"]
    assert redact_text(text, both, masked).text == "*******6789"


def test_allowed_values_stay_and_denied_ones_go_wherever_they_stand() -> None:
    text = "Berlin, PROJECT  X, berlin wall, Project Xavier"
    spans = spans_in(text, ("Berlin", "CITY"), ("berlin wall", "CITY"))
    policy: dict[str, Any] = {"allow": ["berlin"], "deny": ["Project X"]}
    assert redact_text(text, spans, policy).text == "Berlin, [DENIED], [CITY], Project Xavier"
    policy = {"deny": {"SECRET": ["Project X", "Ünï", "北京", "Straße 5", "a-b"]}, "labels": {"SECRET": "remove"}}
    text = "project x U\u0308ni\u0308. 住在北京。STRASSE 5, A-B, a-bc"
    assert redact_text(text, [], policy).text == " . 住在。, , a-bc"
    assert redact_text("x y", [], {"deny": ["x", "x", "x y"]}).text == "[DENIED]"


def test_numbers_count_values_by_label_in_a_text() -> None:
    text = "Ann, Bob, Ann, ann"
    spans = [Span(at, at + 3, label, 0.9, "") for at, label in ((0, "NAME"), (5, "NAME"), (10, "NAME"), (15, "NICK"))]
    redacted = redact_text(text, spans, {"default": "number"})
    assert redacted.text == "[NAME_1], [NAME_2], [NAME_1], [NICK_1]"
    assert redacted.mapping == {"[NAME_1]": "Ann", "[NAME_2]": "Bob", "[NICK_1]": "ann"}
    assert "Ann" not in repr(redacted)


def test_a_fake_goes_back_as_a_whole_word_and_where_it_cannot_a_number_stands() -> None:
    text = "preAnnpost"
    redacted = redact_text(text, [Span(3, 6, "NAME", 0.9, "Ann")], {"default": "fake"})
    assert redacted.text == "pre[NAME_1]post"
    assert restore(redacted.text, mapping=redacted.mapping) == text


def test_scripts_without_spaces_have_fakes_too() -> None:
    text = "我叫王小明，住在北京。"
    spans = spans_in(text, ("王小明", "PERSON"), ("北京", "CITY"))
    redacted = redact_text(text, spans, {"default": {"action": "fake", "locale": "zh_CN"}})
    assert "[" not in redacted.text
    assert restore(redacted.text, mapping=redacted.mapping) == text


def test_numbers_are_none_that_stand_in_the_text_or_come_to_stand_there() -> None:
    standing = " ".join(f"[NAME_{number}]" for number in range(1, 9))
    redacted = redact_text(f"{standing} Ann", [Span(len(standing) + 1, len(standing) + 4, "NAME", 0.9, "")], NUMBERS)
    assert redacted.text == f"{standing} [NAME_9]"
    text = "[NAME_x1] Ann"
    redacted = redact_text(text, spans_in(text, ("x", "ID"), ("Ann", "NAME")), NUMBERS)
    assert redacted.text.startswith("[NAME_1] [NAME_")
    assert restore(redacted.text, mapping=redacted.mapping) == "[NAME_1] Ann"


NUMBERS = {"default": "number", "labels": {"ID": "remove"}}


def test_what_stands_beside_a_placeholder_within_a_span_shows_no_part() -> None:
    masked = {"default": {"action": "mask", "keep_last": 4}}
    text = "[PHONE] 555-0100"
    assert redact_text(text, [Span(0, len(text), "PHONE", 0.9, text)], masked).text == "[PHONE][PHONE]"


def test_dates_of_one_context_move_alike_and_of_another_otherwise() -> None:
    policy = {"default": "shift", "context": "patient"}
    text = "1990-01-01"
    made = {who: redact_text(text, spans_in(text, (text, "DATE")), policy, who).text for who in "abcdefgh"}
    assert len(set(made.values())) > 4
    assert text not in made.values()
    assert redact_text(text, spans_in(text, (text, "DATE")), policy, "a").text == made["a"]
    by_one = {"default": {"action": "shift", "max_days": 1}}
    assert {redact_text(text, spans_in(text, (text, "DATE")), by_one, who).text for who in "abcdefgh"} == {
        "1989-12-31",
        "1990-01-02",
    }


def test_a_span_outside_of_its_text_is_refused() -> None:
    for start, end in ((0, 4), (-1, 2), (3, 2)):
        refused("bad_span", "span 0", partial(redact_text, "Ann", [Span(start, end, "NAME", 1, "Ann")]))


def test_without_its_key_nothing_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VTAG_REDACT_KEY")
    for action in ("hash", "token", "fake", "shift"):
        refused("no_key", "VTAG_REDACT_KEY", partial(redact_text, "Ann", [], {"default": action}))
    assert redact_text("Ann", []).text == "Ann"


def test_a_long_text_takes_time_in_proportion_to_its_length() -> None:
    """Of spans, numbers and placeholders there may be tens of thousands."""
    text = "Ann1 [NAME_7] a@b.co [NAME] " * 5_000
    spans = [Span(at, at + 4, "NAME", 0.9, "") for at in range(0, len(text), 28)]
    spans += [Span(at + 14, at + 24, "EMAIL", 0.9, "") for at in range(0, len(text), 28)]
    for policy in ({"default": "number"}, {"default": "keep", "labels": {"NAME": "token"}}):
        redacted = redact_text(text, spans, policy)
        check(text, spans, redacted)
        assert restore(redacted.text, policy=policy, mapping=redacted.mapping) == text
