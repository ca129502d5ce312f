"""Redaction of a text that comes in pieces: its output is that of the whole text, and nothing final was written before."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.redact.given import GOLD, KEY, LABELS, ODD, OWN, VALUES
from vtag import Redacted, Span, redact_stream
from vtag.redact import policy as loading
from vtag.redact.text import Redactor

# What a stream may do: all but number and fake.
STREAMED: list[dict[str, Any]] = [
    {"action": name} for name in ("keep", "remove", "label", "hash", "token", "mask", "shift", "year")
]
FOUND = re.compile(
    r"(?P<EMAIL>[\w.+-]+@[\w-]+(?:\.\w+)+)|(?P<NAME>\b[A-Z]\w*(?:\s{1,3}[A-Z]\w*){0,4})|(?P<PHONE>\+?\d[\d -]{4,30}\d)"
    r"|(?P<DATE>\d{4}-\d\d-\d\d)|(?P<ID>東+)"
)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)


def tag(text: str) -> list[Span]:
    """What a model might find, from the words alone: e-mail addresses, names over line ends, numbers; some overlap."""
    spans = []
    for match in FOUND.finditer(text):
        start, end = match.span()
        spans.append(Span(start, end, match.lastgroup or "", _score(match[0]), match[0]))
    for match in re.finditer(r"\w+", text):
        if zlib.crc32(match[0].encode("utf-8", "surrogatepass")) % 7 == 0:
            spans.append(Span(*match.span(), "first name", _score(match[0]), match[0]))
    return spans


def _score(value: str) -> float:
    return zlib.crc32(value.encode("utf-8", "surrogatepass")) % 101 / 100


def whole(text: str, policy: Any = None) -> Redacted:
    return Redactor(loading.load(policy), LABELS).redact(text, tag(text))


def streamed(pieces: list[str], policy: Any = None) -> Redacted:
    """The parts together. No part may hold what is not final: each is checked against the output of the whole text."""
    parts = list(redact_stream(pieces, tag, policy, labels=LABELS))
    return Redacted("".join(part.text for part in parts), [each for part in parts for each in part.replacements])


def cuttings(text: str, chance: random.Random, *, most: int) -> Iterator[list[str]]:
    """Cuttings of a text: in characters, as a whole, and at random places."""
    for count in (1, 3, most):
        edges = sorted(chance.choices(range(len(text) + 1), k=count))
        yield [text[start:end] for start, end in pairwise([0, *edges, len(text)])]


def document(chance: random.Random, parts: int) -> str:
    """Prose with values, placeholders, odd characters, and what no place to cut is in."""
    kinds = [
        VALUES,
        VALUES,
        OWN,
        ODD,
        ["Then he said so", "it was late.", "Dr. ", "ok? ", "x" * 300, "東京。" * 60, "\n\n", " " * 90],
    ]
    return "".join(chance.choice(chance.choice(kinds)) + chance.choice([" ", " ", " ", "", "\n"]) for _ in range(parts))


def prose(chance: random.Random, sentences: int) -> str:
    """Gold texts, one after the other."""
    return "".join(chance.choice(GOLD)["text"] + chance.choice([" ", "\n", " ", "\r\n"]) for _ in range(sentences))


def test_the_output_is_that_of_the_whole_text_wherever_a_short_text_is_cut() -> None:
    chance = random.Random(51)
    for row in GOLD[:200]:
        text = row["text"][:300]
        expected = whole(text)
        assert streamed(list(text)) == expected
        for at in range(len(text) + 1):
            assert streamed([text[:at], text[at:]]) == expected
    for _ in range(20):
        text = document(chance, 20)[:300]
        assert all(streamed([text[:at], text[at:]]) == whole(text) for at in range(len(text) + 1))


@pytest.mark.parametrize("make", [prose, document])
def test_the_output_is_that_of_the_whole_text_for_long_texts_cut_anywhere(make: Any) -> None:
    chance = random.Random(51)
    for _ in range(150):
        text = make(chance, chance.randint(1, 25))
        policy = {
            "default": chance.choice(STREAMED),
            "labels": {"NAME": chance.choice(STREAMED)},
            "deny": ["said so it"],
        }
        expected = whole(text, policy)
        assert streamed([text], policy) == expected
        for pieces in cuttings(text, chance, most=len(text) // 2):
            assert streamed(pieces, policy) == expected
