"""A recognizer for Presidio's AnalyzerEngine: a token classifier in this process, or behind `vtag serve`."""

from __future__ import annotations

import json
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

import httpx

from vtag.errors import InputError, VtagError, error
from vtag.text.batching import batches
from vtag.types import Answer, Span

try:
    from presidio_analyzer import AnalysisExplanation, BatchAnalyzerEngine, EntityRecognizer, RecognizerResult
except ImportError as cause:
    raise error("presidio_missing") from cause

if TYPE_CHECKING:
    from vtag.engine.llm import LLM

# Texts -> the answer for each.
Tag = Callable[[list[str]], Sequence[Answer]]
# A document of a megabyte takes minutes on a small machine.
TIMEOUT_SECONDS = 600
# Texts that are tagged at once: a request within the limits of a server.
TEXTS = 256


class VtagRecognizer(EntityRecognizer):
    """The spans of a token classifier as Presidio's results; texts of any length.

    Texts of a `BatchAnalyzerEngine` are tagged many at once; `AnalyzerEngine` has one text at a time.

    Args:
        model: an `LLM`, or the address of a server ("http://127.0.0.1:8000").
        api_key: the server's key.
        label_mapping: Presidio's names of labels ({"PER": "PERSON"}); "" leaves a label out, others keep their names.
        supported_language: the language for which Presidio uses it.
        name: its name in explanations.

    Raises:
        SettingError: for an address that is no server's.
        EngineError: if the server does not answer: an unread text must never look like one without entities.
    """

    def __init__(
        self,
        model: LLM | str,
        *,
        api_key: str | None = None,
        label_mapping: Mapping[str, str] | None = None,
        supported_language: str = "en",
        name: str = "VtagRecognizer",
    ) -> None:
        if isinstance(model, str):
            headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
            client = httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS)
            weakref.finalize(self, client.close)
            types, self._tag = _behind_http(model, client)
        else:
            types, self._tag = _in_process(model)
        self._mapping = label_mapping or {}
        # Spans of texts that Presidio has not asked for yet; a text may come several times.
        self._ahead: defaultdict[str, list[list[Span]]] = defaultdict(list)
        entities = list(dict.fromkeys(self._mapping.get(label, label) for label in types))
        entities = [entity for entity in entities if entity]
        super().__init__(supported_entities=entities, name=name, supported_language=supported_language)

    def load(self) -> None:
        """Presidio's hook; the model is already loaded."""

    def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """The text's spans of these entities.

        Args:
            text: of any length.
            entities: Presidio's names; empty: all entities.
            nlp_artifacts: Presidio's, which are not used.

        Returns:
            Presidio's results; offsets are code points, the end exclusive.

        Raises:
            EngineError: if the server does not answer.
            InputError: for a text that cannot be tagged.
        """
        found: list[RecognizerResult] = []
        for span in self._spans(text):
            entity = self._mapping.get(span.label, span.label)
            if entity and (not entities or entity in entities):
                why = AnalysisExplanation(
                    recognizer=str(self.name),
                    original_score=span.score,
                    textual_explanation=f"Identified as {span.label} by the token classifier",
                )
                found.append(RecognizerResult(entity, span.start, span.end, span.score, analysis_explanation=why))
        return found

    def read_ahead(self, texts: list[str]) -> None:
        """Tag texts that `analyze` will be called with. A text that fails is left to that call, which raises.

        Args:
            texts: in any order.
        """
        for at in range(0, len(texts), TEXTS):
            some = texts[at : at + TEXTS]
            with suppress(VtagError):
                for text, answer in zip(some, self._tag(some), strict=True):
                    if not isinstance(answer, InputError):
                        self._ahead[text].append(answer)

    def forget(self) -> None:
        """Drop the spans of texts that Presidio did not ask for."""
        self._ahead.clear()

    def _spans(self, text: str) -> list[Span]:
        with suppress(IndexError):  # not read ahead, or taken by another thread
            return self._ahead.get(text, []).pop()
        (answer,) = self._tag([text])
        if isinstance(answer, InputError):
            raise answer
        return answer


def _with_read_ahead(analyze_iterator: Callable[..., Any]) -> Callable[..., Any]:
    """`BatchAnalyzerEngine.analyze_iterator`, whose texts vtag's recognizers read a batch ahead.

    Presidio calls recognizers with one text at a time, and gives them no other way to see a batch.
    """

    @wraps(analyze_iterator)
    def in_batches(self: BatchAnalyzerEngine, texts: Iterable[Any], language: str, *args: Any, **kwargs: Any) -> Any:
        wanted = set(kwargs.get("entities") or ())
        readers = [
            recognizer
            for recognizer in getattr(getattr(self.analyzer_engine, "registry", None), "recognizers", ())
            if isinstance(recognizer, VtagRecognizer)
            and recognizer.supported_language == language
            and (not wanted or wanted.intersection(recognizer.supported_entities))
        ]
        try:
            return analyze_iterator(self, _read_ahead(texts, readers) if readers else texts, language, *args, **kwargs)
        finally:
            for reader in readers:
                reader.forget()

    return in_batches


def _read_ahead(texts: Iterable[Any], readers: Sequence[VtagRecognizer]) -> Iterator[Any]:
    """The texts, each after all readers have read it. Presidio takes numbers too, and reads them as strings."""
    for _, batch in batches(texts):
        for reader in readers:
            reader.read_ahead(list(map(str, batch)))
        yield from batch


BatchAnalyzerEngine.analyze_iterator = _with_read_ahead(BatchAnalyzerEngine.analyze_iterator)


def _in_process(llm: LLM) -> tuple[list[str], Tag]:
    """The labels of its spans, and the function that finds them."""
    return llm.tagger.names.of_spans, lambda texts: next(llm.tag_chunks([texts]))[0]


def _behind_http(url: str, client: httpx.Client) -> tuple[list[str], Tag]:
    """The same for `vtag serve`, or a server of vLLM's with vtag's routes."""

    def ask(method: str, route: str, body: str | None = None) -> Any:
        try:
            headers = {"Content-Type": "application/json"}
            answer = client.request(method, url.rstrip("/") + route, content=body, headers=headers)
            content = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL) as cause:
            raise error("server_unreachable", url=url, reason=type(cause).__name__) from cause
        except ValueError as cause:
            raise error("server_unreachable", url=url, reason="it speaks no JSON") from cause
        if answer.status_code != 200:
            reason = content.get("error") if isinstance(content, dict) else None
            raise error("server_refused", url=url, status=answer.status_code, reason=reason or "gives no reason")
        return content

    def tag(texts: list[str]) -> list[list[Span]]:
        results = ask("POST", "/v1/tag", json.dumps({"input": texts}))["results"]
        return [[Span(**span) for span in result["spans"]] for result in results]

    info = ask("GET", "/info")
    if not isinstance(info, dict) or "types" not in info:
        raise error("server_unreachable", url=url, reason="it has no routes of vtag's")
    return info["types"], tag
