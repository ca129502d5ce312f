"""How texts are tagged: the options of `LLM.tag`, of files, of Ray and of the command line, checked in one place.

`checked` knows no model, and comes before anything is loaded; `Tagger.options` goes on with the model's labels.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, TypedDict

from vtag.decode.hf import HF_STRATEGIES
from vtag.errors import error

DEFAULT_STRATEGY = "viterbi"
STRATEGIES = (DEFAULT_STRATEGY, *HF_STRATEGIES)


class Options(TypedDict):
    """The options of `LLM.tag`, each in its one spelling; what they mean is said there."""

    aggregation_strategy: str
    ignore_labels: tuple[str, ...]
    threshold: float | dict[str, float] | None
    stride: int | None


def checked(
    *,
    aggregation_strategy: Any = DEFAULT_STRATEGY,
    ignore_labels: Any = ("O",),
    threshold: Any = None,
    stride: Any = None,
) -> Options:
    """The options in one spelling; raises SettingError for what suits no model."""
    return {
        "aggregation_strategy": _strategy(aggregation_strategy),
        "ignore_labels": _labels(ignore_labels),
        "threshold": _threshold(threshold),
        "stride": _stride(stride),
    }


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
