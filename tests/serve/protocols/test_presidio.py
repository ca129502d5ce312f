"""`POST /analyze` is Presidio's, and finds what `llm.tag` finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NoOpNlpEngine

from tests.serve.protocols.test_vtag import CLOSE, TEXTS
from tests.serve.servers import Server
from vtag.integrations.presidio import VtagRecognizer

if TYPE_CHECKING:
    from vtag import LLM
    from vtag.types import Span


def results(spans: list[Span]) -> list[dict[str, Any]]:
    """As Presidio writes them."""
    return [
        {
            "entity_type": span.label,
            "start": span.start,
            "end": span.end,
            "score": pytest.approx(span.score, abs=CLOSE),
            "analysis_explanation": None,
        }
        for span in spans
    ]


def test_a_list_of_texts_gets_a_list_of_results_each_and_a_text_one(server: Server, llm: LLM) -> None:
    found = server.post("/analyze", {"text": TEXTS, "language": "en"}).json()
    assert found == [results(spans) for spans in llm.tag(TEXTS)]
    assert sum(map(len, found)) > 100
    assert server.post("/analyze", {"text": TEXTS[0]}).json() == results(llm.tag(TEXTS[0])[0])


def test_entities_threshold_and_allow_list_choose_among_the_spans(server: Server, llm: LLM) -> None:
    allowed = llm.tag(TEXTS[0])[0][0].text
    asked: dict[str, Any] = {"entities": ["CITY", "GIVEN_NAME"], "score_threshold": 0.98, "allow_list": [allowed, "x"]}
    found = server.post("/analyze", {"text": TEXTS, **asked}).json()
    wanted = [
        [
            span
            for span in spans
            if span.label in asked["entities"] and span.score >= 0.98 and span.text not in asked["allow_list"]
        ]
        for spans in llm.tag(TEXTS)
    ]
    assert found == [results(spans) for spans in wanted]
    assert 0 < sum(map(len, found)) < sum(map(len, llm.tag(TEXTS)))


@pytest.mark.parametrize(
    "entities",
    [["CITY"], ["CITY", "NRP"], ["NRP", "GIVEN_NAME", "nothing", ""], ["NRP"], ["city"], ["", ""], [], None],
    ids=str,
)
def test_unknown_entities_are_what_they_are_to_presidios_own_analyzer(
    server: Server, llm: LLM, entities: list[str] | None
) -> None:
    registry = RecognizerRegistry([VtagRecognizer(llm)], supported_languages=["en"])
    nlp_engine = NoOpNlpEngine([{"lang_code": "en", "model_name": "none"}])
    theirs = AnalyzerEngine(registry=registry, nlp_engine=nlp_engine, supported_languages=["en"])
    text = "\n".join(TEXTS[:20])
    answer = server.post("/analyze", {"text": text, "language": "en", "entities": entities})
    if entities and not set(entities) & set(llm.tagger.names.of_spans):
        with pytest.raises(ValueError, match="No matching recognizers") as refused:
            theirs.analyze(text, "en", entities=entities)
        # As its server answers.
        assert (answer.status_code, answer.json()) == (500, {"error": str(refused.value)})
        assert "x-vtag-complete" not in answer.headers
        return
    found = sorted(theirs.analyze(text, "en", entities=entities), key=lambda one: one.start)
    assert answer.status_code == 200
    wanted = [(one.entity_type, one.start, one.end) for one in found]
    assert [(one["entity_type"], one["start"], one["end"]) for one in answer.json()] == wanted
    assert len(wanted) > 0


def test_what_presidio_sends_without_effect_here_is_taken(server: Server, llm: LLM) -> None:
    asked: dict[str, Any] = {
        "correlation_id": "7",
        "context": ["name"],
        "ad_hoc_recognizers": [],
        "allow_list_match": "exact",
    }
    asked |= {"return_decision_process": False, "entities": [], "score_threshold": None, "regex_flags": 26}
    assert server.post("/analyze", {"text": TEXTS[0], **asked}).json() == results(llm.tag(TEXTS[0])[0])


def test_a_decision_is_explained_in_presidios_words(server: Server) -> None:
    for result in server.post("/analyze", {"text": TEXTS[0], "return_decision_process": True}).json():
        why = result["analysis_explanation"]
        assert (why["recognizer"], why["original_score"], why["score"]) == ("demo", result["score"], result["score"])
        assert result["entity_type"] in why["textual_explanation"]
        assert set(why) == {
            "recognizer",
            "pattern_name",
            "pattern",
            "original_score",
            "score",
            "textual_explanation",
            "score_context_improvement",
            "supportive_context_word",
            "validation_result",
            "regex_flags",
        }


def test_a_long_text_is_analyzed_to_its_end(server: Server, llm: LLM) -> None:
    document = "\n".join(TEXTS)
    assert server.post("/analyze", {"text": document}).json() == results(llm.tag(document)[0])


def test_what_can_be_found_and_who_finds_it(server: Server, llm: LLM) -> None:
    types = server.get("/supportedentities?language=en").json()
    assert types == server.get("/supportedentities").json()
    assert set(types) == {label.partition("-")[2] for label in llm.id2label.values() if label != "O"}
    assert server.get("/recognizers?language=en").json() == ["demo"]
