"""Texts, spans and policies that are hard to redact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from vtag import Span
from vtag.files.records import has_surrogate
from vtag.redact.keys import Key
from vtag.redact.placeholders import Tokens, hashed

KEY = "0123456789abcdef" * 4
OTHER_KEY = "fedcba9876543210" * 4
LABELS = ["NAME", "EMAIL", "PHONE", "DATE", "ZIP", "AGE", "ID", "first name", "B]r:a#c[k"]
FOLDER = Path(__file__).parents[1]
GOLD: list[dict[str, Any]] = [
    json.loads(line) for line in (FOLDER / "data" / "pii_synth_gold.jsonl").read_text("utf-8").splitlines()
]

# What a text may have of redaction's own: placeholders, under this key and another, whole and broken.
_TOKEN = Tokens(Key(KEY.encode())).seal("NAME", "Ann")
OWN = [
    "[NAME]",
    "[NAME_1]",
    "[NAME_2]",
    "[PHONE_5550100]",
    "[NAME",
    "_1]",
    "[",
    "]",
    _TOKEN,
    _TOKEN[:-2],
    _TOKEN.upper(),
    Tokens(Key(OTHER_KEY.encode())).seal("NAME", "Bob"),
    hashed("NAME", "Ann", Key(KEY.encode()), 16),
    "[NAME#0123456789abcdef0123]",
]
VALUES = [
    "Ann",
    "Ann Lee",
    "ann lee",
    "Lee",
    "a@b.co",
    "+1 555-0100",
    "3 March 1990",
    "1990-03-01",
    "60614",
    "93",
    "42",
]
ODD = [
    "👩‍👩‍👧",
    "🇫🇷",
    "e\u0301",
    "\r\n",
    "\n",
    "\x00",
    "\u202e",
    "東京",
    "ﷺ",
    "\ufeff",
    "a" * 70,
    " ",
    "\t",
    ". ",
    ", ",
    "Ünï",
]

texts = st.lists(st.sampled_from([*OWN, *VALUES, *VALUES, *ODD, *ODD]) | st.text(max_size=5), max_size=14).map("".join)


@st.composite
def spanned(draw: Any) -> tuple[str, list[Span]]:
    """A text with spans anywhere: overlapping, nested, equal, empty, of the whole text."""
    text = draw(texts.filter(lambda text: not has_surrogate(text)))
    places = st.integers(0, len(text))
    spans = []
    for _ in range(draw(st.integers(0, 8))):
        start, end = sorted((draw(places), draw(places)))
        spans.append(Span(start, end, draw(st.sampled_from(LABELS)), draw(st.floats(0, 1)), text[start:end]))
    return text, spans


WHOLE: list[dict[str, Any]] = [{"action": name} for name in ("remove", "label", "number", "hash", "token")]
REVERSIBLE: list[dict[str, Any]] = [{"action": name} for name in ("keep", "number", "token", "fake")]
PARTIAL: list[dict[str, Any]] = [
    {"action": "keep"},
    {"action": "mask"},
    {"action": "mask", "keep_first": 1, "keep_last": 2, "keep_separators": True, "char": "█"},
    {"action": "shift", "max_days": 30},
    {"action": "year"},
    {"action": "zip3"},
    {"action": "age90"},
]


def policies(actions: list[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Policies of these actions."""
    action = st.sampled_from(actions)
    return st.fixed_dictionaries({"default": action, "labels": st.dictionaries(st.sampled_from(LABELS), action)})
