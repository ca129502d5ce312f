"""How gold is read and what is reported: the options of an evaluation, checked when they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vtag.errors import error, short
from vtag.evaluation.gold_record import Columns
from vtag.evaluation.tags import STRICT

RECALL = 0.95


@dataclass(frozen=True, slots=True)
class How:
    """See `vtag.evaluate`. labels: those that the gold must have."""

    columns: Columns = field(default_factory=Columns)
    predictions_field: str = "spans"
    input: str | None = None
    label_map: Mapping[str, str] | None = None
    strict: str | None = None
    format: str | None = None
    recall: float = RECALL
    seed: int = 0
    show_text: bool = False
    errors: str | Path | None = None
    html: str | Path | None = None
    labels: Sequence[str] = ()
    use_tqdm: bool = True

    def __post_init__(self) -> None:
        if self.input not in (None, "words", "text"):
            raise error("bad_argument", name="input", value=short(self.input), expected='"words" or "text"')
        if self.strict is not None and self.strict not in STRICT:
            raise error("no_such_strict", scheme=short(self.strict), names=", ".join(STRICT))
        names = self.label_map or {}
        if not isinstance(names, Mapping) or not all(isinstance(name, str) for name in names.values()):
            raise error("bad_label_map")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise error("bad_argument", name="seed", value=short(self.seed), expected="a number of at least 0")
        if not 0 < self.recall <= 1:
            raise error("bad_recall", option="recall", example="0.95")
