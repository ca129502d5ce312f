"""`LLM.redact` on the demo model: gold and hostile texts, long ones in windows, thresholds, and what is refused."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.redact.given import GOLD, KEY
from tests.redact.test_text import check
from tests.refusals import refused
from vtag import LLM, Redacted, Span, VtagError, redact_text, restore
from vtag.errors import InputError
from vtag.redact.passages import CONTEXT, LEAST

TEXTS: list[str] = [row["text"] for row in GOLD]
HOSTILE = Path(__file__).parents[1] / "hostile" / "hostile.jsonl"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)


def redact(llm: LLM, texts: list[str], policy: Any = None, **more: Any) -> list[Redacted]:
    return llm.redact(texts, policy=policy, use_tqdm=False, **more)


def test_it_is_redact_text_of_the_spans_of_tag(llm: LLM) -> None:
    for policy in (None, {"default": "hash", "labels": {"CITY": "keep", "SURNAME": "remove"}}):
        found = llm.tag(TEXTS[:100], use_tqdm=False)
        for text, spans, redacted in zip(TEXTS, found, redact(llm, TEXTS[:100], policy), strict=False):
            assert redacted == redact_text(text, spans, policy)
            check(text, spans, redacted)
    assert llm.redact("I am Ann Smith.")[0].text == "I am [GIVEN_NAME] [SURNAME]."
    assert llm.redact([]) == []
    assert [each.text for each in llm.redact(iter(["I am Ann Smith."]))] == ["I am [GIVEN_NAME] [SURNAME]."]


def test_hostile_and_long_texts_lead_back_byte_for_byte(llm: LLM) -> None:
    texts = [json.loads(line)["text"] for line in HOSTILE.read_text("utf-8").splitlines()]
    texts += [
        "\n".join(TEXTS[:60]),
        "\r\n".join(f"{text} 👩‍👩‍👧 e\u0301" for text in TEXTS[:30]),
        " ".join(TEXTS[60:120]),
    ]
    ((answers, coverage, _),) = llm.answers([texts])
    assert min(windows for _, windows in coverage[-3:]) > 1
    texts = [text for text, answer in zip(texts, answers, strict=True) if not isinstance(answer, InputError)]
    assert len(texts) > 50
    policy = {"default": "token", "threshold": 0.01, "labels": {"GIVEN_NAME": "number", "CITY": "keep"}}
    for text, redacted in zip(texts, redact(llm, texts, policy), strict=True):
        check(text, [], redacted)
        assert restore(redacted.text, policy=policy, mapping=redacted.mapping) == text
    fakes = {"default": "fake", "labels": {"STATE": {"action": "fake", "locale": "de_DE"}}}
    for text, redacted in zip(texts[-3:], redact(llm, texts[-3:], fakes), strict=True):
        assert restore(redacted.text, policy=fakes, mapping=redacted.mapping) == text
        assert {each.action for each in redacted.replacements} == {"fake"}


def test_a_lower_threshold_redacts_no_character_less(llm: LLM) -> None:
    """The spans of the best path as far as they reach it, and every word whose label does."""
    texts = TEXTS[:80]
    before: list[set[int]] = [set() for _ in texts]
    counts = []
    for threshold in (0.9, 0.6, 0.3, 0.05, 0.001):
        found = [covered(each) for each in redact(llm, texts, {"threshold": threshold})]
        assert all(more >= less for more, less in zip(found, before, strict=True))
        above = llm.tag(texts, threshold=threshold, use_tqdm=False)
        assert all(more >= places(spans) for more, spans in zip(found, above, strict=True))
        before = found
        counts.append(sum(map(len, found)))
    assert counts == sorted(set(counts))
    assert covered(redact(llm, texts[:1], {"threshold": 0.5})[0])


def test_thresholds_go_by_label(llm: LLM) -> None:
    by_label = redact(llm, TEXTS[:150], {"threshold": {"SURNAME": 0.05, "*": 0.9}})
    low, high = (redact(llm, TEXTS[:150], {"threshold": threshold}) for threshold in (0.05, 0.9))

    def surnames(of: list[Redacted]) -> int:
        return sum(each.label == "SURNAME" for redacted in of for each in redacted.replacements)

    assert surnames(high) < surnames(by_label)
    assert sum(len(each.replacements) for each in by_label) < sum(len(each.replacements) for each in low)


def covered(redacted: Redacted) -> set[int]:
    return {at for each in redacted.replacements for at in range(each.old_start, each.old_end)}


def places(spans: list[Span]) -> set[int]:
    return {at for span in spans for at in range(span.start, span.end)}


def test_equal_values_are_equal_however_texts_are_passed(llm: LLM) -> None:
    policy = {"default": "token", "labels": {"SURNAME": "hash", "CITY": "fake"}}
    together = [each.text for each in redact(llm, TEXTS[:30], policy)]
    assert [redact(llm, [text], policy)[0].text for text in TEXTS[:30]] == together
    backwards = [each.text for each in redact(llm, TEXTS[:30][::-1], policy)]
    assert backwards[::-1] == together


def test_what_does_not_fit_is_refused_before_a_text_is_tagged(idle: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["I am Ann Smith."]
    typo = {"labels": {"EMIAL": "mask"}}
    refused("policy_label", "'EMIAL': choose among GIVEN_NAME", lambda: redact(idle, texts, typo))
    refused("no_context_field", "contexts=", lambda: redact(idle, texts, {"default": "shift", "context": "who"}))
    for contexts in (["a", "b"], "a", [1]):
        refused("bad_contexts", "one string for each", lambda given=contexts: redact(idle, texts, contexts=given))  # type: ignore[misc]
    monkeypatch.delenv("VTAG_REDACT_KEY")
    refused("no_key", "VTAG_REDACT_KEY", lambda: redact(idle, texts, {"default": "token"}))


def test_a_text_that_cannot_be_tagged_ends_the_call(llm: LLM) -> None:
    for bad in (5, "\ud800"):
        with pytest.raises(VtagError):
            llm.redact(["I am Ann Smith.", bad])  # type: ignore[list-item]


def joined(parts: Iterable[Redacted]) -> Redacted:
    """The parts of a stream together."""
    made = list(parts)
    return Redacted("".join(part.text for part in made), [each for part in made for each in part.replacements])


def check_streams(llm: LLM, count: int) -> None:
    """Texts of up to a thousand characters, each cut in three ways, and in characters."""
    chance = random.Random(51)
    for number in range(count):
        policy = chance.choice([None, {"default": "token", "threshold": 0.1}, {"deny": ["the"], "default": "mask"}])
        text = " ".join(chance.sample(TEXTS, 1 + number % 3 * 2))
        whole = joined(llm.redact_stream([text], policy=policy))
        if len(text) < LEAST + CONTEXT:
            assert whole == llm.redact(text, policy=policy, use_tqdm=False)[0]
        check(text, [], whole)
        for size in (1, 3, len(text) // 3):
            edges = sorted(chance.choices(range(len(text) + 1), k=size))
            pieces = [text[start:end] for start, end in pairwise([0, *edges, len(text)])]
            assert joined(llm.redact_stream(pieces, policy=policy)) == whole
        short = text[:300]
        assert joined(llm.redact_stream([*short], policy=policy)) == joined(llm.redact_stream([short], policy=policy))


def test_the_parts_of_a_stream_are_those_of_the_whole_text_wherever_it_was_cut(llm: LLM) -> None:
    check_streams(llm, 6)


@pytest.mark.long
def test_so_are_they_for_two_hundred_texts(llm: LLM) -> None:
    check_streams(llm, 200)


def test_a_part_comes_before_the_stream_goes_on_and_pieces_may_come_from_this_llm(llm: LLM) -> None:
    read = []

    def pieces() -> Iterator[str]:
        for text in TEXTS[:40]:
            read.append(len(llm.tag(text, use_tqdm=False)[0]))
            yield text + " "

    parts = llm.redact_stream(pieces())
    assert not read
    next(parts)
    assert 3 <= len(read) < 20
    assert joined([*llm.redact_stream([])]) == Redacted("", [])


def test_a_stream_is_refused_before_it_is_read_and_ends_at_what_cannot_be_tagged(llm: LLM) -> None:
    pieces = iter(["Ann"])
    number = {"default": "number"}
    refused("policy_stream", "number needs the whole text", lambda: llm.redact_stream(pieces, policy=number))
    refused("policy_label", "no label", lambda: llm.redact_stream(pieces, policy={"labels": {"NAME": "mask"}}))
    refused("bad_argument", "iterable of strings", lambda: llm.redact_stream("Ann"))
    assert next(pieces) == "Ann"
    written: list[str] = []
    with pytest.raises(InputError):
        written.extend(part.text for part in llm.redact_stream(["It rains. " * 60, "Ann \ud800", "It rains. " * 60]))
    assert set("".join(written).split()) == {"It", "rains."}
