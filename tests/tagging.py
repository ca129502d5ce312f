"""Tagger's two halves as `LLM.tag` uses them: options as keywords, and a text that cannot be tagged is raised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vtag.errors import InputError
from vtag.options import DEFAULTS, TagOptions
from vtag.tagger import Batch, Tagger
from vtag.text.inputs import validate_texts
from vtag.types import Span


def prepare(tagger: Tagger, texts: Any = None, *, words: Any = None, delimiter: str = " ", **options: Any) -> Batch:
    """The batch of some texts, or words."""
    items, split = validate_texts(texts, words)
    batch = tagger.prepare(items, tagger.bind(TagOptions(**options)), words=split, delimiter=delimiter)
    for refused in batch.errors.values():
        raise refused
    return batch


def finish(tagger: Tagger, batch: Batch, logits: Sequence[np.ndarray], **options: Any) -> list[list[Span]]:
    """The spans of each text; with options in place of those that the batch was prepared for."""
    if options:
        batch = replace(batch, options=tagger.bind(replace(batch.options or DEFAULTS, **options)))
    found: list[list[Span]] = []
    for answer in tagger.finish(batch, logits):
        assert not isinstance(answer, InputError)
        found.append(answer)
    return found
