"""Errors one by one: into a file, and the texts that are most often wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from vtag.errors import error
from vtag.evaluation.figures import Frequent
from vtag.evaluation.gold import Gold
from vtag.evaluation.overlaps import Found, Pair, Triple

# So many different texts are counted, and so many are shown.
MOST_TEXTS, SHOWN = 100_000, 10


class Listing:
    """Writes errors to a file, JSON Lines; does nothing without one."""

    def __init__(self, path: str | Path | None, *, show_text: bool) -> None:
        self._path, self._show_text = path, show_text

    def __enter__(self) -> Self:
        try:
            # A lone surrogate of a label becomes its escape, which is JSON.
            how = {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
            self._file = open(self._path, "w", **how) if self._path is not None else None  # type: ignore[call-overload]
        except OSError as cause:
            raise self._failed(cause) from cause
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as cause:
                raise self._failed(cause) from cause

    def add(self, gold: Gold, wrong: Iterable[Pair]) -> None:
        """Write the errors of a record."""
        if self._file is not None:
            self.write(
                gold,
                ({"kind": pair.kind, **_side("gold", pair.gold), **_side("found", pair.found)} for pair in wrong),
            )

    def write(self, gold: Gold, rows: Iterable[dict[str, Any]]) -> None:
        """Write rows of a record, with the texts of their spans if they are to be shown."""
        if self._file is None:
            return
        for row in rows:
            line = {"file": gold.path, "record": gold.number, **row}
            if self._show_text:
                for name in ("gold", "found"):
                    if line.get(name):
                        span = line[name]
                        line[name] = {**span, "text": gold.text[span["start"] : span["end"]]}
            try:
                self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            except OSError as cause:
                raise self._failed(cause) from cause

    def _failed(self, cause: OSError) -> Exception:
        return error("eval_failed", path=self._path, reason=cause.strerror, option="--errors")


def differences(gold: Gold, one: Sequence[Found], other: Sequence[Found]) -> Iterator[dict[str, Any]]:
    """Where two systems differ: gold spans that one alone has right, and wrong spans that one alone has."""
    wanted = set(gold.spans)
    a, b = {found[:3]: found for found in one}, {found[:3]: found for found in other}
    for span in sorted((a.keys() ^ b.keys()) & wanted):
        yield {"right": "a" if span in a else "b", **_side("gold", span)}
    for span in sorted((a.keys() ^ b.keys()) - wanted):
        yield {"wrong": "a" if span in a else "b", **_side("found", a.get(span) or b[span])}


def _side(name: str, span: Triple | Found | None) -> dict[str, Any]:
    if span is None:
        return {name: None}
    return {name: dict(zip(("start", "end", "label", "score"), span, strict=False))}


class Texts:
    """Counts the texts of missed and spurious spans."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {"missed": Counter(), "spurious": Counter()}

    def add(self, gold: Gold, wrong: Iterable[Pair]) -> None:
        """Count those of a record."""
        for pair in wrong:
            counts = self._counts.get(pair.kind)
            span = pair.gold or pair.found
            if counts is not None and span is not None:
                text = gold.text[span[0] : span[1]]
                if text in counts or len(counts) < MOST_TEXTS:
                    counts[text] += 1

    def frequent(self) -> Frequent:
        """The most frequent ones."""
        missed, spurious = (counts.most_common(SHOWN) for counts in self._counts.values())
        return Frequent(missed, spurious)
