"""The code of an actor: one engine, and the chunks that it tags."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import ray

from vtag.model.identity import processor, shared_identity
from vtag.options import BoundOptions
from vtag.types import Answer, Coverage, Span


class Worker:
    """One engine."""

    def place(self) -> str:
        """The node's address; an answer also shows that the worker is placed and alive."""
        return str(ray.util.get_node_ip_address())

    def start(self, model: str, engine: Mapping[str, Any]) -> tuple[dict[str, str], str]:
        """Start the engine; returns what must be equal on all nodes, and the node's processor."""
        limit_tokenizer_threads()
        from vtag import LLM

        self._llm = LLM(model, **engine)
        return shared_identity(self._llm.plan), processor()

    def tag(self, texts: Sequence[Any], options: BoundOptions, words: bool) -> tuple[bytes, int]:
        """The result of `LLM.answers` for one chunk, packed, and its number of tokens."""
        (answered,) = self._llm.answers([texts], options, words=words)
        return pack(answered.answers, answered.coverage), answered.tokens


def pack(answers: Sequence[Answer], coverage: Sequence[Coverage]) -> bytes:
    """Answers in transit, and while they wait: a fraction of their size in memory, and of pickle's time."""
    rows = [[*map(_row, answer)] if isinstance(answer, list) else answer for answer in answers]
    return pickle.dumps((rows, list(map(tuple, coverage))))


def unpack(packed: bytes) -> tuple[list[Answer], list[Coverage]]:
    """The inverse of `pack`."""
    rows, coverage = pickle.loads(packed)
    answers = [[Span(*row) for row in answer] if isinstance(answer, list) else answer for answer in rows]
    return answers, [Coverage(*each) for each in coverage]


def limit_tokenizer_threads() -> None:
    """Tokenize on as many threads as this actor has cores: Ray limits only torch's, and other actors
    share the machine.
    """
    if cores := os.environ.get("OMP_NUM_THREADS"):
        os.environ.setdefault("RAYON_NUM_THREADS", cores)


def _row(span: Span) -> tuple[Any, ...]:
    return (span.start, span.end, span.label, span.score, span.text, span.word, span.index, span.words)
