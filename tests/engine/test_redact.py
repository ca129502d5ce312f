"""`LLM.redact` on the demo model: gold and hostile texts, long ones in windows, thresholds, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.redact.given import GOLD, KEY
from tests.redact.test_text import check
from tests.refusals import refused
from vtag import LLM, Redacted, Span, VtagError, redact_text, restore
from vtag.errors import InputError

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
