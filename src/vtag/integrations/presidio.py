"""A recognizer for Presidio's AnalyzerEngine: a token classifier in this process, or behind `vtag serve`."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx

from vtag.errors import error
from vtag.types import Span

try:
    from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult
except ImportError as cause:
    raise error("presidio_missing") from cause

if TYPE_CHECKING:
    from vtag.engine.llm import LLM

Tag = Callable[[str], list[Span]]
# A document of a megabyte takes minutes on a small machine.
TIMEOUT_SECONDS = 600


class VtagRecognizer(EntityRecognizer):
    """The spans of a token classifier as Presidio's results; texts of any length.

    Args:
        model: an `LLM`, or the address of a server ("http://127.0.0.1:8000").
        api_key: the server's key.
        label_mapping: Presidio's names of labels ({"PER": "PERSON"}); other labels keep their names.
        supported_language: the language for which Presidio uses it.
        name: its name in explanations.

    Raises EngineError if the server does not answer: an unread text must never look like one without entities.
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
        entities = list(dict.fromkeys(self._mapping.get(label, label) for label in types))
        super().__init__(supported_entities=entities, name=name, supported_language=supported_language)

    def load(self) -> None:
        """Presidio's hook; the model is already loaded."""

    def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """The text's spans of these entities; empty: all entities. Offsets: code points."""
        found: list[RecognizerResult] = []
        for span in self._tag(text):
            entity = self._mapping.get(span.label, span.label)
            if not entities or entity in entities:
                why = AnalysisExplanation(
                    recognizer=str(self.name),
                    original_score=span.score,
                    textual_explanation=f"Identified as {span.label} by the token classifier",
                )
                found.append(RecognizerResult(entity, span.start, span.end, span.score, analysis_explanation=why))
        return found


def _in_process(llm: LLM) -> tuple[list[str], Tag]:
    """The labels of its spans, and the function that finds them."""
    return llm.tagger.names.of_spans, lambda text: llm.tag(text, use_tqdm=False)[0]


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

    def tag(text: str) -> list[Span]:
        (result,) = ask("POST", "/v1/tag", json.dumps({"input": text}))["results"]
        return [Span(**span) for span in result["spans"]]

    info = ask("GET", "/info")
    if not isinstance(info, dict) or "types" not in info:
        raise error("server_unreachable", url=url, reason="it has no routes of vtag's")
    return info["types"], tag
