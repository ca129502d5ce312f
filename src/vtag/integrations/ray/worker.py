"""What runs in an actor: one engine, and the chunks it is handed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import ray

from vtag.engine.identity import processor, shared_identity
from vtag.errors import InputError
from vtag.types import Span

# A span on its way: `Span(*fields)`. There are many, and plain tuples pickle in a fraction of the time.
Packed = tuple[Any, ...]


class Worker:
    """One engine."""

    def place(self) -> str:
        """The node's address: there is room for this worker, and it lives."""
        return str(ray.util.get_node_ip_address())

    def start(self, model: str, engine: Mapping[str, Any]) -> tuple[dict[str, str], str]:
        """Start the engine; returns what must be the same on all nodes, and the node's processor."""
        share_the_machine()
        from vtag.engine.offline import LLM

        self._llm = LLM(model, **engine)
        return shared_identity(self._llm.plan), processor()

    def tag(self, texts: Sequence[Any], options: Mapping[str, Any]) -> tuple[list[list[Packed] | InputError], int]:
        """What `LLM.tag_chunks` gives for one chunk."""
        ((answers, tokens),) = self._llm.tag_chunks([texts], **options)
        return [answer if isinstance(answer, InputError) else [*map(_packed, answer)] for answer in answers], tokens


def share_the_machine() -> None:
    """Tokenize on as many threads as this actor has cores, which Ray tells to torch alone: others run here, too."""
    if cores := os.environ.get("OMP_NUM_THREADS"):
        os.environ.setdefault("RAYON_NUM_THREADS", cores)


def _packed(span: Span) -> Packed:
    return (span.start, span.end, span.label, span.score, span.text, span.word, span.index, span.words)
