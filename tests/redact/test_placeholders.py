"""Tokens and hashes are recognised as one's own, and only these."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.redact.given import KEY, OTHER_KEY
from vtag.redact.keys import Key
from vtag.redact.placeholders import HASH, NUMBERED, TOKEN, Tokens, find_own, hashed, is_hash, numbered, plain

OURS, THEIRS = Key(KEY.encode()), Key(OTHER_KEY.encode())
TOKENS, OTHERS = Tokens(OURS), Tokens(THEIRS)
words = st.text(max_size=30).filter(lambda text: not any("\ud800" <= character <= "\udfff" for character in text))


@given(words, words)
def test_a_token_opens_under_its_own_key_and_label_alone(label: str, value: str) -> None:
    made = TOKENS.seal(label, value)
    found = TOKEN.fullmatch(made)
    assert found is not None
    assert made == TOKENS.seal(label, value)
    assert TOKENS.open(found[1], found[2]) == value
    assert OTHERS.open(found[1], found[2]) is None
    assert TOKENS.open(f"{found[1]}x", found[2]) is None
    assert OTHERS.seal(label, value) != made


@given(words, st.data())
def test_one_changed_character_makes_it_another_token_which_nothing_opens(value: str, data: st.DataObject) -> None:
    made = TOKENS.seal("NAME", value)[len("[NAME:") : -1]
    at = data.draw(st.integers(0, len(made) - 1))
    other = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567").filter(lambda sign: sign != made[at]))
    assert TOKENS.open("NAME", made[:at] + other + made[at + 1 :]) is None
    assert TOKENS.open("NAME", made[:-1]) is None
    assert TOKENS.open("NAME", made + "a") is None


def test_the_bits_beyond_the_last_byte_count_too() -> None:
    for value in ("", "a", "ab", "abc", "abcd"):
        made = TOKENS.seal("NAME", value)[len("[NAME:") : -1]
        others = [made[:-1] + sign for sign in "abcdefghijklmnopqrstuvwxyz234567" if sign != made[-1]]
        assert [TOKENS.open("NAME", other) for other in others] == [None] * 31


def test_a_token_survives_a_change_of_case() -> None:
    made = TOKENS.seal("Given name", "Ann")
    for changed in (made.upper(), made.lower(), made.title()):
        found = TOKEN.fullmatch(changed)
        assert found is not None
        assert TOKENS.open(found[1], found[2]) == "Ann"


@given(words, words, st.integers(8, 64))
def test_a_hash_is_known_by_its_check_digits(label: str, value: str, digits: int) -> None:
    found = HASH.fullmatch(hashed(label, value, OURS, digits))
    assert found is not None
    assert is_hash(found[1], found[2], OURS)
    assert not is_hash(found[1], found[2], THEIRS)


@given(words, st.integers(1, 999))
def test_whatever_a_label_is_called_its_placeholders_are_found(label: str, number: int) -> None:
    made = [plain(label), numbered(label, number), hashed(label, "x", OURS, 16), TOKENS.seal(label, "x")]
    names = frozenset([plain(label)[1:-1]])
    text = " ".join(made)
    assert [text[start:end] for start, end in find_own(text, names, names, OURS, TOKENS)] == made
    assert "\n" not in text


def test_a_long_number_in_brackets_is_no_placeholder() -> None:
    assert NUMBERED.fullmatch("[PHONE_999]")
    names = frozenset(["PHONE"])
    assert find_own("[PHONE_5550100] [PHONE_1]", names, names, None, None) == [(16, 25)]
    assert find_own("[PHONE_1] [PHONE]", names, frozenset(), None, None) == [(10, 17)]
