"""Options of tagging: their checks and their meaning. Every caller's keywords become one `TagOptions`.

A `TagOptions` does not depend on a model, so it is checked before anything is loaded. `Tagger.bind` checks it against a
model once; nothing checks it again on the way to the decoder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, NewType

from vtag.decode.hf import HF_STRATEGIES
from vtag.errors import error, short
from vtag.types import Span

DEFAULT_STRATEGY = "viterbi"
STRATEGIES = (DEFAULT_STRATEGY, *HF_STRATEGIES)


@dataclass(frozen=True, slots=True)
class TagOptions:
    """The options of `LLM.tag`, checked and normalised; immutable, and independent of a model.

    Attributes:
        aggregation_strategy: "viterbi", or one of Hugging Face's ("none", "simple", "first", "average", "max").
        ignore_labels: span labels to leave out; a single label may be passed as a string.
        threshold: spans with a lower score (a probability) are dropped; a mapping sets it by label ("*": all others).
        stride: tokens that neighbouring windows of a long text share; None: a quarter of the window. With one of
            Hugging Face's strategies, windows are cut and their spans merged by its own rule.
        each_word: words outside of the spans that reach the threshold become spans too, where their label reaches it:
            for redaction, as Viterbi decoding leaves out what is more probably outside.

    Raises:
        SettingError: for a value that no model accepts.
    """

    aggregation_strategy: str = DEFAULT_STRATEGY
    ignore_labels: Sequence[str] = ("O",)
    threshold: float | Mapping[str, float] | None = field(default=None, hash=False)
    stride: int | None = None
    each_word: bool = False

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
        """Labels that the model must have, each after the name of the option that names it."""
        by_label = self.threshold if isinstance(self.threshold, Mapping) else {}
        ignored = [("ignore_labels", label) for label in self.ignore_labels if label != "O"]
        return ignored + [("threshold", label) for label in by_label if label != "*"]

    def least(self, label: str) -> float:
        """The threshold of a label, a probability.

        Args:
            label: of a span.
        """
        if isinstance(self.threshold, Mapping):
            return self.threshold.get(label, self.threshold.get("*", 0.0))
        return self.threshold or 0.0

    def above_threshold(self, found: list[Span]) -> list[Span]:
        """Spans of a text that reach the threshold.

        Args:
            found: the spans, which keep their order.
        """
        if self.threshold is None or self.each_word:
            return found
        return [span for span in found if span.score >= self.least(span.label)]


# Options that fit a model; only `Tagger.bind` creates them.
BoundOptions = NewType("BoundOptions", TagOptions)


def _strategy(value: Any) -> str:
    """The strategy's name, in any case; Hugging Face's AggregationStrategy is a string too."""
    name = value.lower() if isinstance(value, str) else value
    if name not in STRATEGIES:
        raise error("unknown_strategy", strategy=short(value), names=", ".join(STRATEGIES))
    return str(name)


def _labels(value: Any) -> tuple[str, ...]:
    labels = [value] if isinstance(value, str) else value
    if isinstance(labels, bytes | Mapping) or not isinstance(labels, Iterable):
        raise error("bad_ignore_labels", given=short(value))
    labels = tuple(labels)
    if not all(isinstance(label, str) for label in labels):
        raise error("bad_ignore_labels", given=short(value))
    return labels


def _threshold(value: Any) -> float | dict[str, float] | None:
    """A probability, or a dict of probabilities by label."""
    if value is None:
        return None
    by_label = dict(value) if isinstance(value, Mapping) else {"*": value}
    for label, least in by_label.items():
        probability = isinstance(least, Real) and not isinstance(least, bool) and 0 <= float(least) <= 1
        if not (probability and isinstance(label, str)):
            raise error("bad_threshold")
    least_by_label = {label: float(least) for label, least in by_label.items()}
    return least_by_label if isinstance(value, Mapping) else least_by_label["*"]


def _stride(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise error("stride_number", stride=short(value))
    return int(value)


# The defaults fit every model.
DEFAULTS = BoundOptions(TagOptions())
