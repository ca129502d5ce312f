"""vtag itself, `ours.py bfloat16|int8|float32`, run by the project's own environment. Nothing is set by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from system import serve

from vtag import LLM
from vtag.bench.measure import PRECISIONS
from vtag.text.batching import BATCH_TEXTS


def load(model: Path, texts: list[str]) -> Any:
    """By the command's argument."""
    llm = LLM(model, **PRECISIONS[sys.argv[1]])

    def run(texts: list[str], spans: bool) -> Any:
        if spans:
            return list(llm.tag_stream(texts))
        blocks = (texts[at : at + BATCH_TEXTS] for at in range(0, len(texts), BATCH_TEXTS))
        return [row for block in blocks for row in llm.run(llm.tagger.prepare(block).windows)]

    return run, f"{sys.argv[1]}, as it is"


if __name__ == "__main__":
    serve(load)
