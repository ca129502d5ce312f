"""What the routes share: the model that is served, its tagger and batcher, and the limits of a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from fastapi import Request
from prometheus_client import Counter

from vtag.engine.online import AsyncEngine
from vtag.engine.packing import blocks
from vtag.errors import VtagError, error
from vtag.serve.batcher import Batcher
from vtag.serve.limits import Limits
from vtag.tagger import Batch, Tagger
from vtag.types import Span

TEXTS = Counter("vtag_texts", "Texts that were tagged")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Tagged:
    """Texts with what was found in them: the spans, and the logits of each window of the batch."""

    batch: Batch
    logits: Sequence[np.ndarray]
    spans: list[list[Span]]


def serving(request: Request) -> Service:
    """What answers a request; raises why nothing does."""
    service: Service | VtagError = request.app.state.vtag
    if isinstance(service, VtagError):
        raise service
    return service


class Service:
    """A token classifier behind HTTP.

    names: of the model; the first is the one that answers name.
    adapters: names of vLLM's that mean the model with an adapter.
    languages: two-letter codes of those that it was made for; empty where that is not known.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        tagger: Tagger,
        names: Sequence[str],
        limits: Limits,
        *,
        adapters: Container[str],
        languages: Sequence[str],
    ) -> None:
        self.tagger = tagger
        self.model = names[0]
        self._names = names
        self._adapters = adapters
        self.limits = limits
        self._languages = languages
        self.types = tagger.scheme.span_labels
        self._labels = {"O", *self.types, *tagger.id2label.values()}
        self._batcher = Batcher(engine)
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="vtag-text")
        self._under_way = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Around a request: refuses it where too many are under way."""
        if self._under_way >= self.limits.requests:
            raise error("overloaded", limit=self.limits.requests)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def tag(
        self,
        texts: Sequence[str] | None,
        *,
        words: Sequence[Sequence[str]] | None = None,
        aggregation_strategy: str,
        stride: int | None = None,
        ignore_labels: Sequence[str] = ("O",),
        threshold: float | dict[str, float] | None = None,
    ) -> AsyncIterator[Tagged]:
        """As `LLM.tag`, of texts or of texts already split into words; in blocks, so that memory stays bounded."""
        self._check(texts, words)
        self._check_labels("ignore_labels", ignore_labels)
        if isinstance(threshold, dict):
            self._check_labels("threshold", [label for label in threshold if label != "*"])
        named = "texts" if words is None else "words"
        prepare = partial(self.tagger.prepare, stride=stride, aggregation_strategy=aggregation_strategy)
        finish = partial(self.tagger.finish, ignore_labels=ignore_labels, threshold=threshold)
        for first, items in blocks(texts or words or ()):
            batch = await self.in_thread(prepare, **{named: items}, first=first)
            logits = await self._batcher.run(batch.windows)
            spans = await self.in_thread(finish, batch, logits)
            TEXTS.inc(len(spans))
            yield Tagged(batch, logits, spans)

    async def logits(self, ids: Sequence[int], text: str | None) -> np.ndarray:
        """As `LLM.encode`, of token ids and the text they were made of, if any: float32 [tokens, labels]."""
        batch = await self.in_thread(self._windows, ids, text)
        logits = await self._batcher.run(batch.windows)
        return (await self.in_thread(self.tagger.rows, batch, logits))[0]

    def _windows(self, ids: Sequence[int], text: str | None) -> Batch:
        if text is not None:
            batch = self.tagger.prepare_prompts(text)
            if batch.encodings[0].ids.tolist() == ids:  # else they were made in another way, as without special tokens
                return batch
        return self.tagger.prepare_prompts(ids)

    def check_name(self, name: str) -> None:
        """Raise an error of the table for the name of another model, or of an adapter."""
        if name in self._adapters:
            raise error("adapter_over_http")
        if name not in self._names:
            raise error("other_model")

    def check_language(self, language: str | None) -> None:
        """Raise InputError for a language that the model is known not to be for ("en", "en-US")."""
        if language and self._languages and language.lower().partition("-")[0] not in self._languages:
            raise error("other_language", languages=", ".join(self._languages))

    async def in_thread(self, function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        """What takes its time, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *args, **kwargs))

    def _check(self, texts: Sequence[str] | None, words: Sequence[Sequence[str]] | None) -> None:
        sizes = [len(text) for text in texts or ()] + [
            sum(map(len, text)) + max(len(text) - 1, 0) for text in words or ()
        ]
        if len(sizes) > self.limits.texts:
            raise error("too_many_texts", limit=self.limits.texts)
        for index, size in enumerate(sizes):
            if size > self.limits.characters:
                raise error("text_too_long", index=index, limit=self.limits.characters)

    def _check_labels(self, field: str, labels: Sequence[str]) -> None:
        if not self._labels.issuperset(labels):
            raise error("unknown_label", field=field)
