"""The model that is served: its tagger, stages and scheduler, and the limits of a request."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Container, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np

from vtag.engine.async_engine import AsyncEngine
from vtag.errors import error
from vtag.options import TagOptions
from vtag.redact.stream import StreamRedactor
from vtag.redact.text import Redactor
from vtag.serve import metrics
from vtag.serve.http.lifetime import RequestLifetime
from vtag.serve.limits import Limits
from vtag.serve.pipeline.admission import Admission
from vtag.serve.pipeline.coalescer import Coalescer
from vtag.serve.pipeline.long_texts import LongTexts, ShortestFirstLimit
from vtag.serve.pipeline.redaction import Redaction, spans_of, spans_only
from vtag.serve.pipeline.scheduler import Scheduler
from vtag.serve.pipeline.stages import Done, Piece, Render, characters, cut, finish, prepare
from vtag.tagger import Batch, Tagger
from vtag.types import Coverage, Redacted, Window

# Pieces of a request that are in progress at once, so that the engine never waits for the next one.
AHEAD = 4
SMALL_BODY = 1 << 16  # bytes
# Requests of so few characters have threads of their own.
SHORT_SIZE = 2_000
Parsed = TypeVar("Parsed")


class Found(NamedTuple):
    """The result of a request: the JSON of each text, and how all texts together were read."""

    rows: list[bytes]
    coverage: Coverage


class Stages:
    """Preparing and finishing in two threads; most: texts of one call."""

    def __init__(self, tagger: Tagger, most: int) -> None:
        self.threads = ThreadPoolExecutor(2, thread_name_prefix="vtag-text")
        self.prepare = Coalescer(partial(prepare, tagger), self.threads, most=most, size=lambda piece: len(piece.items))
        self.finish = Coalescer(partial(finish, tagger), self.threads, most=most, size=lambda one: len(one[0].items))


class Budget:
    """Counts a request's cost over its pieces: tokens of windows, and scores in the response, `each` a token."""

    def __init__(self, *, tokens: int, each: int, scores: int) -> None:
        self._tokens_left, self._most_tokens = tokens, tokens
        self._scores_left, self._most_scores, self._each = scores, scores, each

    def take(self, of_windows: int, of_texts: int) -> None:
        """Count more tokens; raises InputError if the request has too many."""
        self._tokens_left -= of_windows
        self._scores_left -= self._each * of_texts
        if self._tokens_left < 0:
            raise error("too_many_tokens", limit=self._most_tokens)
        if self._scores_left < 0:
            raise error("too_many_scores", limit=self._most_scores)


class Service:
    """A token classifier behind HTTP.

    names: of the model; responses have the first.
    adapters: names of vLLM's that mean the model with an adapter.
    languages: two-letter codes of the model's languages; empty if unknown.
    redaction: the server's policy and key.
    forks: from `long_texts.start`; without it, long texts use threads like others.
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
        redaction: Redaction,
        forks: socket.socket | None = None,
    ) -> None:
        self.tagger = tagger
        self.model = names[0]
        self.redaction = redaction
        self._names = names
        self._adapters = adapters
        self.limits = limits
        self.admission = Admission(limits)
        self._languages = languages
        # Requests that are being read or answered.
        self.waiting: set[RequestLifetime] = set()
        self._body_thread = ThreadPoolExecutor(1, thread_name_prefix="vtag-body")
        self._parsing = ShortestFirstLimit(1)
        self.types = tagger.names.of_spans
        self.most_tokens = limits.tokens_of(limits.body_bytes, len(tagger.id2label))
        # Slower requests have threads, or a process, of their own, so that others overtake them.
        self._short, self._other = Stages(tagger, most=128), Stages(tagger, most=1)
        self._scheduler = Scheduler(engine, self._short.prepare, self._short.finish)
        self._long = None if forks is None else LongTexts(forks)

    async def tag(
        self,
        items: Sequence[Any],
        options: TagOptions,
        render: Render,
        *,
        client: Hashable,
        words: bool = False,
        scores: int = 0,
        behind: bool = False,
    ) -> Found:
        """As `LLM.tag`, for texts or lists of words: the JSON that `render` returns for each, in order.

        `render` is called in a thread, one piece at a time, so that memory stays bounded.
        scores: in the response, for each token. behind: let short requests go first, as those of many texts do.
        """
        sizes = self.sizes(items)
        if (found := self.tagger.unknown_label(options)) is not None:
            raise error("unknown_label", field=found[0])
        bound = self.tagger.bind(options)
        most = self.limits.tokens_of(sum(sizes), len(self.tagger.id2label))
        pieces = list(cut(items, sizes, render, options=bound, words=words, most=most))
        budget = Budget(tokens=most, each=scores, scores=self.limits.scores)
        if len(pieces) == 1:
            done = await self._run_piece(pieces[0], budget, client, large=False, behind=behind)
            return Found(done.rows, done.coverage)
        rows: list[bytes] = []
        coverage: list[Coverage] = []
        running: deque[asyncio.Task[Done]] = deque()

        async def collect() -> None:
            done = await running.popleft()
            rows.extend(done.rows)
            coverage.append(done.coverage)

        try:
            for piece in pieces:
                if len(running) == AHEAD:
                    await collect()
                running.append(asyncio.create_task(self._run_piece(piece, budget, client, large=True)))
            while running:
                await collect()
        finally:
            for task in running:
                task.cancel()
        return Found(rows, Coverage.sum(coverage))

    async def final_parts(self, stream: StreamRedactor, client: Hashable) -> AsyncIterator[tuple[Redacted, Coverage]]:
        """The parts of a stream that are final by now, each with how its passage was read."""
        while (text := stream.next()) is not None:
            found = await self.tag([text], stream.options, spans_only, client=client, behind=True)
            yield stream.redact(spans_of(found.rows[0], text)), found.coverage

    async def _run_piece(
        self, piece: Piece, budget: Budget, client: Hashable, *, large: bool, behind: bool = False
    ) -> Done:
        """Run one piece through the three stages."""
        self._scheduler.arrived(client)
        with self.admission.windows(self.most_tokens) as take:

            async def run(windows: Sequence[Window], of_texts: int) -> list[np.ndarray]:
                tokens = sum(len(window.ids) for window in windows)
                budget.take(tokens, of_texts)
                take(tokens)
                return await self._scheduler.run(windows, client, large=large or behind)

            if self._long is not None and piece.long:
                done = await self._long.run(piece, run)
            else:
                stages = self._other if large or piece.size > SHORT_SIZE else self._short
                batch = await stages.prepare(piece)
                logits = await run(batch.windows, sum(len(encoding.ids) for encoding in batch.encodings))
                done = await stages.finish((piece, batch, logits))
        metrics.TEXTS.inc(len(done.rows))
        for label, count in done.labels.items():
            metrics.SPANS.labels(label).inc(count)
        return done

    async def parsed(self, parse: Callable[[], Parsed], size: int) -> Parsed:
        """The result of `parse` for a body of this size, in a thread if that takes more than a millisecond.

        Parsing large bodies holds the GIL: one at a time, and at most a quarter of the time.
        """
        if size <= SMALL_BODY:
            return parse()
        loop = asyncio.get_running_loop()
        async with self._parsing.slot(size):
            began = loop.time()
            try:
                return await loop.run_in_executor(self._body_thread, parse)
            finally:
                await asyncio.sleep(3 * (loop.time() - began))

    async def in_thread(self, function: Callable[[], Parsed], size: int) -> Parsed:
        """The result of `function` for so many characters, in a thread if that takes more than a millisecond or so."""
        if size <= SHORT_SIZE:
            return function()
        return await asyncio.get_running_loop().run_in_executor(self._other.threads, function)

    async def redactor(self, policy: Mapping[str, Any] | None) -> Redactor:
        """For a request's policy, or for the server's. Raises SettingError."""
        # In a thread, as fakes import Faker and load a locale.
        size = SHORT_SIZE + 1 if policy is not None else 0
        return await self.in_thread(partial(self.redaction.redactor, policy), size)

    async def logits(self, ids: Sequence[int], text: str | None, client: Hashable, *, large: bool) -> np.ndarray:
        """As `LLM.encode`, for token ids and the text they come from, if any: float32 [tokens, labels]."""
        if len(ids) <= self.tagger.max_length:
            window = Window(np.array(ids, np.int32), 0, 0, len(ids))
            return (await self._scheduler.run([window], client, large=large))[0]
        loop = asyncio.get_running_loop()
        batch = await loop.run_in_executor(self._other.threads, self._windows, ids, text)
        with self.admission.windows(self.most_tokens) as take:
            take(sum(len(window.ids) for window in batch.windows))
            logits = await self._scheduler.run(batch.windows, client, large=True)
            return (await loop.run_in_executor(self._other.threads, self.tagger.rows, batch, logits))[0]

    def _windows(self, ids: Sequence[int], text: str | None) -> Batch:
        if text is not None:
            batch = self.tagger.prepare_prompts(text, self.most_tokens)
            # the ids were computed differently, for example without special tokens
            if batch.encodings[0].ids.tolist() == ids:
                return batch
        return self.tagger.prepare_prompts(ids, self.most_tokens)

    def end(self, why: Exception) -> None:
        """Answer pending requests with this error."""
        for lifetime in list(self.waiting):
            lifetime.cancel(why)

    def check_name(self, name: str) -> None:
        """Raise an error for the name of another model, or of an adapter."""
        if name in self._adapters:
            raise error("adapter_over_http")
        if name not in self._names:
            raise error("other_model")

    def check_language(self, language: str | None) -> None:
        """Raise InputError for a language ("en", "en-US") that the model does not support, as far as known."""
        if language and self._languages and language.lower().partition("-")[0] not in self._languages:
            raise error("other_language", languages=", ".join(self._languages))

    def sizes(self, items: Sequence[Any]) -> list[int]:
        """Characters of each text; raises InputError for too many texts or characters."""
        if len(items) > self.limits.texts:
            raise error("too_many_texts", limit=self.limits.texts)
        sizes = list(map(characters, items))
        for index, size in enumerate(sizes):
            if size > self.limits.characters:
                raise error("text_too_long", index=index, limit=self.limits.characters)
        return sizes
