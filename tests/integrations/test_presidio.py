"""Presidio's own engines find, through vtag's recognizer, what `llm.tag` finds."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NoOpNlpEngine
from presidio_analyzer.predefined_recognizers import CreditCardRecognizer
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig

from tests.serve.protocols.test_vtag import CLOSE, TEXTS
from tests.serve.servers import Server
from vtag.errors import EngineError, InputError
from vtag.integrations.presidio import VtagRecognizer

if TYPE_CHECKING:
    from vtag import LLM
    from vtag.types import Span

NO_NLP = NoOpNlpEngine([{"lang_code": "en", "model_name": "none"}])


def engine(*recognizers: Any) -> AnalyzerEngine:
    registry = RecognizerRegistry(recognizers=list(recognizers), supported_languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=NO_NLP, supported_languages=["en"])


@pytest.fixture(scope="module", params=["in process", "behind HTTP"])
def analyzer(request: pytest.FixtureRequest, llm: LLM, server: Server) -> AnalyzerEngine:
    return engine(VtagRecognizer(llm if request.param == "in process" else server.url + "/"))


def in_order(results: list[Any]) -> list[tuple[str, int, int, Any]]:
    rows = sorted(results, key=lambda result: result.start)
    return [(row.entity_type, row.start, row.end, pytest.approx(row.score, abs=CLOSE)) for row in rows]


def wanted(spans: list[Span]) -> list[tuple[str, int, int, float]]:
    return [(span.label, span.start, span.end, span.score) for span in spans]


def test_the_analyzer_finds_the_spans_of_llm_tag(analyzer: AnalyzerEngine, llm: LLM) -> None:
    found = BatchAnalyzerEngine(analyzer).analyze_iterator(TEXTS, language="en")
    assert [in_order(results) for results in found] == [wanted(spans) for spans in llm.tag(TEXTS)]
    assert sum(map(len, found)) > 100


@pytest.mark.parametrize("place", ["in process", "behind HTTP"])
def test_a_batch_is_tagged_at_once_and_a_bad_text_in_it_alone(
    place: str, llm: LLM, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = VtagRecognizer(llm if place == "in process" else server.url)
    calls: list[int] = []
    tag = recognizer._tag

    def counted(texts: list[str]) -> Any:
        calls.append(len(texts))
        return tag(texts)

    monkeypatch.setattr(recognizer, "_tag", counted)
    batch = BatchAnalyzerEngine(engine(recognizer))
    texts = [*TEXTS, *TEXTS[:5], 7, None, "", ""] * 2  # the same texts again, and what Presidio makes strings of
    found = batch.analyze_iterator(texts, language="en")
    assert calls == [256, len(texts) - 256]
    assert [in_order(results) for results in found] == [wanted(row) for row in llm.tag([str(text) for text in texts])]
    calls.clear()
    (columns,) = batch.analyze_dict({"notes": TEXTS[:30]}, language="en")
    assert calls == [30]
    assert len(columns.recognizer_results) == 30
    calls.clear()
    assert batch.analyze_iterator(TEXTS[:30], language="en", entities=["CITY"]) is not None
    assert calls == [30]
    with pytest.raises(InputError if place == "in process" else EngineError, match="text 0 has a lone surrogate"):
        batch.analyze_iterator([*TEXTS[:3], "\ud83d", *TEXTS[3:6]], language="en")
    assert not recognizer._ahead  # nothing is kept of a batch that failed


def test_a_batch_that_does_not_ask_for_its_entities_is_not_read(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    recognizer = VtagRecognizer(llm)
    monkeypatch.setattr(recognizer, "_tag", None)
    both = BatchAnalyzerEngine(engine(recognizer, CreditCardRecognizer()))
    (found,) = both.analyze_iterator(["4111 1111 1111 1111"], language="en", entities=["CREDIT_CARD"])
    assert [result.entity_type for result in found] == ["CREDIT_CARD"]


def test_a_long_text_is_analyzed_to_its_end(analyzer: AnalyzerEngine, llm: LLM) -> None:
    document = "\n".join(TEXTS)
    assert in_order(analyzer.analyze(document, "en")) == wanted(llm.tag(document)[0])


def test_the_anonymizer_leaves_none_of_them(analyzer: AnalyzerEngine, llm: LLM) -> None:
    for text, spans in zip(TEXTS[:50], llm.tag(TEXTS[:50]), strict=True):
        clean = AnonymizerEngine().anonymize(
            text, analyzer.analyze(text, "en"), {"DEFAULT": OperatorConfig("replace", {"new_value": "\0"})}
        )
        left = text
        for span in reversed(spans):
            left = left[: span.start] + left[span.end :]
        assert clean.text.replace("\0", "").split() == left.split()
        assert (clean.text.count("\0") > 0) == bool(spans)


def test_it_finds_what_is_asked_for_and_explains_it(analyzer: AnalyzerEngine, llm: LLM) -> None:
    asked: dict[str, Any] = {"entities": ["CITY"], "score_threshold": 0.9, "return_decision_process": True}
    found = [result for text in TEXTS[:100] for result in analyzer.analyze(text, "en", **asked)]
    rows = llm.tag(TEXTS[:100], threshold=0.9)
    spans = [span for row in rows for span in row if span.label == "CITY"]
    assert [result.start for result in found] == [span.start for span in spans]
    assert len(found) > 5
    assert {result.analysis_explanation.recognizer for result in found} == {"VtagRecognizer"}
    assert set(analyzer.get_supported_entities("en")) == set(llm.tagger.scheme.span_labels)


def test_labels_may_have_presidios_names_and_share_an_engine_with_its_recognizers(llm: LLM) -> None:
    recognizer = VtagRecognizer(
        llm, label_mapping={"GIVEN_NAME": "PERSON", "SURNAME": "PERSON", "CITY": ""}, name="names"
    )
    both = engine(recognizer, CreditCardRecognizer())
    assert not {"GIVEN_NAME", "CITY", ""}.intersection(both.get_supported_entities())
    text = "I'm Marisol Okonkwo of Dunmere, my card is 4111 1111 1111 1111."
    found = both.analyze(text, "en", entities=["PERSON", "CREDIT_CARD"])
    assert {result.entity_type for result in found} == {"PERSON", "CREDIT_CARD"}
    assert not {"CITY", ""}.intersection(result.entity_type for result in both.analyze(text, "en"))


def test_a_server_that_is_not_there_is_one_line_not_an_empty_answer(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    for wrong in (url, "nowhere", "http://[", server.url + "/docs#", server.url + "/openapi.json#"):
        with pytest.raises(EngineError, match="no vtag server answers") as raised:
            VtagRecognizer(wrong)
        assert raised.value.kind == "server_unreachable"
    recognizer = VtagRecognizer(server.url)
    with pytest.raises(EngineError, match="answers 422: text 0 has a lone surrogate"):
        recognizer.analyze("a\ud83d", [])


def test_without_presidio_the_mend_is_said() -> None:
    code = "import sys; sys.modules['presidio_analyzer'] = None; import vtag.integrations.presidio"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'MissingPackageError: Presidio is not installed: pip install "vllm-vtag[presidio]"' in done.stderr
