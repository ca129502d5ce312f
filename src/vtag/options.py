"""How texts are tagged: what each option may be, and what it means. Every caller's keywords become one `TagOptions`.

A `TagOptions` knows no model, so that it can be made, and refused, before anything is loaded. `Tagger.bind` holds it
against a model: what it gives is not checked again on its way to the decoder.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, NewType

from vtag.decode.hf import HF_STRATEGIES
from vtag.errors import error
from vtag.types import Span

DEFAULT_STRATEGY = "viterbi"
STRATEGIES = (DEFAULT_STRATEGY, *HF_STRATEGIES)


@dataclass(frozen=True, slots=True)
class TagOptions:
    """The options of `LLM.tag`, each in its one spelling. Raises SettingError for what suits no model.

    aggregation_strategy: "viterbi", or one of Hugging Face's ("none", "simple", "first", "average", "max").
    ignore_labels: labels (of the spans) to leave out; a single one may stand alone.
    threshold: spans with a lower score are dropped; by label if it is a mapping ("*": all others).
    stride: tokens that neighbouring windows of a long text share; None: a quarter of the window. With one of Hugging
        Face's strategies, windows are cut and their spans merged by its own rule.
    """

    aggregation_strategy: str = DEFAULT_STRATEGY
    ignore_labels: Sequence[str] = ("O",)
    threshold: float | Mapping[str, float] | None = field(default=None, hash=False)
    stride: int | None = None

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "aggregation_strategy", _strategy(self.aggregation_strategy))
        set_field(self, "ignore_labels", _labels(self.ignore_labels))
        set_field(self, "threshold", _threshold(self.threshold))
        set_field(self, "stride", _stride(self.stride))

    @property
    def hf(self) -> bool:
        """Whether the strategy is one of Hugging Face's."""
        return self.aggregation_strategy in HF_STRATEGIES

    def labels(self) -> list[tuple[str, str]]:
        """The labels that the model must have, each behind the name of the option that names it."""
        by_label = self.threshold if isinstance(self.threshold, Mapping) else {}
        ignored = [("ignore_labels", label) for label in self.ignore_labels if label != "O"]
        return ignored + [("threshold", label) for label in by_label if label != "*"]

    def kept(self, found: list[Span]) -> list[Span]:
        """Of the spans of a text, those that are sure enough."""
        if self.threshold is None:
            return found
        by_label = self.threshold if isinstance(self.threshold, Mapping) else {"*": self.threshold}
        others = by_label.get("*", 0.0)
        return [span for span in found if span.score >= by_label.get(span.label, others)]


# Options that fit a model: made by `Tagger.bind`.
BoundOptions = NewType("BoundOptions", TagOptions)


def short(value: object) -> str:
    """What was passed, for a message: one line, never long."""
    return " ".join(reprlib.repr(value).split())


def _strategy(given: Any) -> str:
    """In any case of letters; Hugging Face's AggregationStrategy is a string too."""
    name = given.lower() if isinstance(given, str) else given
    if name not in STRATEGIES:
        raise error("unknown_strategy", strategy=short(given), names=", ".join(STRATEGIES))
    return str(name)


def _labels(given: Any) -> tuple[str, ...]:
    labels = [given] if isinstance(given, str) else given
    if isinstance(labels, bytes | Mapping) or not isinstance(labels, Iterable):
        raise error("bad_ignore_labels", given=short(given))
    labels = tuple(labels)
    if not all(isinstance(label, str) for label in labels):
        raise error("bad_ignore_labels", given=short(given))
    return labels


def _threshold(given: Any) -> float | dict[str, float] | None:
    """A probability, or such by label."""
    if given is None:
        return None
    by_label = dict(given) if isinstance(given, Mapping) else {"*": given}
    for label, value in by_label.items():
        probability = isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) <= 1
        if not (probability and isinstance(label, str)):
            raise error("bad_threshold")
    least = {label: float(value) for label, value in by_label.items()}
    return least if isinstance(given, Mapping) else least["*"]


def _stride(given: Any) -> int | None:
    if given is None:
        return None
    if not isinstance(given, Integral) or isinstance(given, bool):
        raise error("stride_number", stride=short(given))
    return int(given)


# They fit every model.
DEFAULTS = BoundOptions(TagOptions())
