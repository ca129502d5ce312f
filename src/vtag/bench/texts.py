"""The texts of a benchmark: a file, or those that come with vtag."""

from __future__ import annotations

from pathlib import Path

from vtag.errors import error

# 495 texts of tests/data/pii_synth_gold.jsonl.
TEXTS = Path(__file__).with_name("texts.jsonl")


def read(path: str | Path) -> list[str]:
    """The texts of a file; records without a text are skipped."""
    from vtag.files import chunks, inputs

    fields = chunks.Fields(overwrite=True)
    found = inputs.find([str(path)])
    chunks.check(found, fields)
    texts = [text for chunk in chunks.read(found, 0, 0, fields) for text in chunk.texts]
    if not texts:
        raise error("no_texts", path=path)
    return texts
