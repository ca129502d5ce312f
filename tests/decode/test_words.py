"""Tokens are put together to words, and words speak with one voice."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decode.schemes import make
from vtag.decode import scheme as schemes
from vtag.decode.words import choose, pool, word_tokens
from vtag.errors import SettingError
from vtag.text.tokenize import FastTokenizer
from vtag.types import Encoding


def encode(text: str, tokens: list[tuple[int, int]], word_ids: list[int], words: np.ndarray | None = None) -> Encoding:
    special = np.array([word < 0 for word in word_ids], bool)
    offsets = np.array(tokens, np.int32).reshape(-1, 2)
    return Encoding(text, np.arange(len(tokens), dtype=np.int32), special, offsets, np.array(word_ids, np.int32), words)


def words_of(encoding: Encoding) -> list[str]:
    found = word_tokens([encoding])
    first = np.flatnonzero(found.begins)
    last = np.append(first, len(found.rows))[1:] - 1
    return [encoding.text[found.start[a] : found.end[b]] for a, b in zip(first, last, strict=True)]


@pytest.mark.parametrize(
    ("text", "tokens", "word_ids", "words"),
    [
        ("Jo Smith", [(0, 0), (0, 2), (3, 6), (6, 8), (0, 0)], [-1, 0, 1, 1, -1], ["Jo", "Smith"]),
        # one word id for all of it: the punctuation cuts
        ("(Jo)", [(0, 1), (1, 3), (3, 4)], [0, 0, 0], ["(", "Jo", ")"]),
        ("a b", [(0, 1), (1, 3)], [0, 0], ["a", "b"]),
        # offsets with the leading space, and a token of nothing but white space
        (" Jo  x", [(0, 3), (3, 4), (4, 6)], [0, 1, 2], ["Jo", "x"]),
        # three byte-level tokens of one character
        ("a🙂b", [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)], [0, 1, 2, 3, 4], ["a", "🙂", "b"]),
        # tokenizers part digits from letters and from each other, and letters from their vowel signs
        ("18th", [(0, 2), (2, 4)], [0, 1], ["18th"]),
        ("COVID19 5kg", [(0, 5), (5, 7), (8, 9), (9, 11)], [0, 1, 2, 3], ["COVID19", "5kg"]),
        ("138 001", [(0, 1), (1, 3), (3, 5), (5, 7)], [0, 1, 2, 3], ["138", "001"]),
        ("हिन्दी", [(0, 1), (1, 2), (2, 4), (4, 5), (5, 6)], [0, 1, 2, 3, 4], ["हिन्दी"]),
        ("C++", [(0, 1), (1, 3)], [0, 1], ["C", "++"]),
        # no spaces between words in this script
        ("東京都", [(0, 2), (2, 3)], [0, 0], ["東京", "都"]),
        ("", [], [], []),
    ],
)
def test_words_end_at_white_space_punctuation_and_word_ids(
    text: str, tokens: list[tuple[int, int]], word_ids: list[int], words: list[str]
) -> None:
    assert words_of(encode(text, tokens, word_ids)) == words


LATER = ["John", "1380", "Жук", "Åsa5", "ｶﾅ", "ﾃﾞ"]
UNSPACED = ["漢字", "かな", "カナー", "กาล", "ລາວ", "ខ្មែរ", "မြန်မာ", "བོད", "佐々木"]


@given(
    runs=st.lists(st.tuples(st.sampled_from(UNSPACED), st.sampled_from(LATER)), min_size=1, max_size=4),
    swap=st.booleans(),
)
def test_scripts_without_spaces_and_letters_or_digits_are_never_one_word(
    family: Any, runs: list[tuple[str, str]], swap: bool
) -> None:
    parts = [part for run in runs for part in (reversed(run) if swap else run)]
    (encoding,) = FastTokenizer(family).encode(["".join(parts)])
    ends = set(itertools.accumulate(map(len, parts)))
    found = word_tokens([encoding])
    for at in range(1, len(found.rows)):
        if found.start[at] in ends and found.apart[at]:
            assert found.begins[at]


def test_words_of_the_caller_stay_whole() -> None:
    own = np.array([[0, 5], [6, 7]], np.int32)
    encoding = encode("a-b c d", [(0, 1), (1, 2), (2, 3), (4, 5), (6, 7)], [0, 0, 0, 0, 1], own)
    assert words_of(encoding) == ["a-b c", "d"]
    assert word_tokens([encoding]).word.tolist() == [0, 0, 0, 0, 1]


def pooled(name: str, rows: list[dict[str, float]], rule: str) -> str:
    """The label of one word of len(rows) tokens, each with these chances."""
    found = make(name, ["A", "C"])
    chances = np.array([[row.get(label, 0.0) for label in found.labels] for row in rows], np.float32)
    count = len(rows)
    encoding = encode("x" * count, [(at, at + 1) for at in range(count)], [0] * count)
    distribution, _, _ = pool(chances, word_tokens([encoding]), found, rule)
    return found.labels[int(distribution[0].argmax())]


@pytest.mark.parametrize("rows", [[{"B-A": 1}, {"I-A": 1}, {"I-A": 1}], [{"B-A": 1}, {"B-A": 1}, {"B-A": 1}]])
def test_mean_asks_the_first_token_for_the_prefix(rows: list[dict[str, float]]) -> None:
    assert pooled("IOB2", rows, "mean") == "B-A"


def test_mean_takes_the_type_that_most_tokens_see() -> None:
    rows: list[dict[str, float]] = [{"B-A": 0.6, "B-C": 0.4}, {"I-C": 1}, {"I-C": 1}]
    assert pooled("IOB2", rows, "mean") == "B-C"
    assert pooled("IOB2", rows, "first") == "B-A"


@pytest.mark.parametrize(
    ("rows", "label"),
    [
        ([{"B-A": 1}, {"I-A": 1}, {"E-A": 1}], "S-A"),  # trained on every token
        ([{"B-A": 1}, {"I-A": 1}], "B-A"),
        ([{"I-A": 1}, {"E-A": 1}], "E-A"),
        ([{"S-A": 1}, {"I-A": 1}], "S-A"),  # trained on first tokens
    ],
)
def test_mean_lifts_bioes_from_tokens_to_words(rows: list[dict[str, float]], label: str) -> None:
    assert pooled("BIOES", rows, "mean") == label


@pytest.mark.parametrize(
    ("text", "tokens", "said", "words"),
    [
        ("김철수가", [(0, 3), (3, 4)], ["B-A", "O"], ["김철수", "가"]),
        ("김철수가", [(0, 1), (1, 3), (3, 4)], ["B-A", "I-A", "O"], ["김철수", "가"]),
        ("وبغداد", [(0, 1), (1, 6)], ["O", "B-A"], ["و", "بغداد"]),
        ("בתל", [(0, 1), (1, 3)], ["O", "B-A"], ["ב", "תל"]),
        ("John이", [(0, 4), (4, 5)], ["B-A", "O"], ["John", "이"]),
        ("김철수가", [(0, 3), (3, 4)], ["B-A", "B-C"], ["김철수가"]),  # a stem is one thing or another
        ("Smiths", [(0, 5), (5, 6)], ["B-A", "O"], ["Smiths"]),
    ],
)
def test_particles_are_cut_off_where_the_model_is_sure_of_both(
    text: str, tokens: list[tuple[int, int]], said: list[str], words: list[str]
) -> None:
    scheme = make("IOB2", ["A", "C"])
    encoding = encode(text, tokens, [0] * len(tokens))
    rows = np.eye(len(scheme.labels), dtype=np.float32)[[scheme.labels.index(label) for label in said]]
    for sure, expected in ((1.0, words), (0.8, [text])):
        chances = sure * rows + (1 - sure) / len(scheme.labels)
        found = word_tokens([encoding])
        _, first, last = pool(chances, found, scheme)
        assert [text[found.start[a] : found.end[b]] for a, b in zip(first, last, strict=True)] == expected


def test_auto_is_one_rule() -> None:
    assert choose("auto", make("IOB2", ["A"])) == "mean"
    assert choose("auto", schemes.read(dict(enumerate(["O", "X", "B-A", "I-A"])))) == "first"


def test_an_unknown_rule_is_one_line_with_the_names() -> None:
    with pytest.raises(SettingError, match="token"):
        choose("last", make("IOB2", ["A"]))
