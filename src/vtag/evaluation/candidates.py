"""Systems that are compared with gold: a model with its options, or predictions; checked before an engine starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtag.errors import error, listed, short
from vtag.evaluation.gold import GoldData
from vtag.evaluation.how import How
from vtag.evaluation.systems import Predictions, Row, Rows, Spool, first_subwords, tagged
from vtag.evaluation.systems import Source as Spans
from vtag.options import DEFAULT_STRATEGY, BoundOptions, TagOptions

if TYPE_CHECKING:
    from vtag.engine.llm import LLM


@dataclass(frozen=True, slots=True)
class Candidate:
    """A system to evaluate: a model with its options, or predictions.

    Attributes:
        model: a model as in `LLM`, or an LLM.
        predictions: instead, a file as `vtag run` writes it, or for each record its spans (code points).
        aggregation_strategy: as in `LLM.tag`.
        ignore_labels: as in `LLM.tag`.
        threshold: as in `LLM.tag`.
        stride: as in `LLM.tag`.
        first_subword: instead, each word gets the most probable label of its first sub-word, as scripts for training
            evaluate.
        engine: arguments of `LLM`.

    Raises:
        SettingError: without a model and predictions, or with both.
    """

    model: str | Path | LLM | None = None
    predictions: Spans | None = None
    aggregation_strategy: str = DEFAULT_STRATEGY
    ignore_labels: Sequence[str] = ("O",)
    threshold: float | Mapping[str, float] | None = None
    stride: int | None = None
    first_subword: bool = False
    engine: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.model is None) == (self.predictions is None):
            raise error("systems")

    @property
    def options(self) -> TagOptions:
        """How texts are tagged; checked here."""
        return TagOptions(self.aggregation_strategy, self.ignore_labels, self.threshold, self.stride)


@dataclass(slots=True)
class Prepared:
    """A candidate that has been checked. labels: those of its spans; None for predictions."""

    candidate: Candidate
    predictions: Predictions | None
    name: str
    revision: str | None = None
    labels: Sequence[str] | None = None
    options: BoundOptions | None = None
    plan: Any = None
    shown: dict[str, Any] = field(default_factory=dict)


def prepared(candidate: Candidate, predictions: Predictions | None, plans: dict[str, Any]) -> Prepared:
    """Check a candidate. plans: those made before, by model and engine arguments: equal ones share an engine."""
    if predictions is not None:
        return Prepared(candidate, predictions, predictions.name)
    asked = candidate.options
    shown: dict[str, Any] = {"aggregation_strategy": asked.aggregation_strategy}
    if candidate.first_subword:
        shown = {"decoding": "first sub-word"}
    shown |= {name: getattr(asked, name) for name in ("threshold", "stride") if getattr(asked, name) is not None}
    if tuple(asked.ignore_labels) != ("O",):
        shown["ignore_labels"] = list(asked.ignore_labels)
    shown |= {name: str(value) for name, value in candidate.engine.items()}
    from vtag.model.identity import model_digest
    from vtag.model.plan import make_plan

    if isinstance(candidate.model, str | Path):
        key = repr((str(candidate.model), sorted(candidate.engine.items())))
        plan = plans.get(key) or plans.setdefault(key, make_plan(candidate.model, **candidate.engine))
        tagger = plan.tagger
    else:
        assert candidate.model is not None
        plan, tagger = candidate.model.plan, candidate.model.tagger
    shown["dtype"] = str(plan.arguments["dtype"])
    shown["words_rule"] = tagger.words
    return Prepared(
        candidate,
        None,
        plan.name,
        model_digest(plan.checkpoint.folder),
        tagger.names.of_spans,
        tagger.bind(asked),
        plan,
        shown,
    )


def check_labels(data: GoldData, systems: Sequence[Prepared], how: How) -> None:
    """Raise SettingError for a label map, or a model, that does not fit the gold."""
    for label in how.labels:
        if label not in data.labels:
            raise error("no_such_recall_label", label=label, names=listed(sorted(data.labels)))
    known = data.own_labels.union(*(one.labels or () for one in systems))
    sure = all(one.labels is not None for one in systems)
    for label in how.label_map or {}:
        if sure and label not in known:
            raise error("no_such_gold_label", label=short(label))
    for one in systems:
        if one.candidate.first_subword and not data.as_words:
            raise error("first_subword_text")
        names = {data.named(label) for label in one.labels or ()} - {""}
        if one.labels is not None and data.labels and not names & data.labels:
            raise error("no_common_label", system="model", names=listed(one.labels))


def answered(data: GoldData, systems: Sequence[Prepared], how: How, stack: ExitStack) -> Rows:
    """The rows with the answers of all systems; a model's engine ends before another one starts."""
    rows: Rows = (Row(gold, ()) for gold in data)
    rename, strict = data.named if how.label_map else None, how.strict
    engine = stack.enter_context(ExitStack())
    running: Any = None
    llm: Any = None
    for at, one in enumerate(systems):
        if one.predictions is not None:
            rows = one.predictions.stage(rename)(rows)
            continue
        assert one.options is not None
        if not isinstance(one.candidate.model, str | Path):
            llm = one.candidate.model
        elif running is not one.plan:
            from vtag.engine.llm import LLM

            engine.close()
            llm, running = engine.enter_context(LLM.of(one.plan)), one.plan
        if one.candidate.first_subword:
            rows = first_subwords(llm, one.options, rename, strict)(rows)
        else:
            rows = tagged(llm, one.options, rename)(rows)
        if any(other.plan is not None for other in systems[at + 1 :]):
            rows = stack.enter_context(Spool(rows, data))
    return rows
