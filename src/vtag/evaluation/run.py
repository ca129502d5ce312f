"""`vtag.evaluate` and `vtag.compare`: gold and one or two systems -> a report.

gold.py       files or records -> checked gold, spans in order
systems.py    each record -> what a model, or a file of predictions, found in it
tally.py      gold and found, record by record -> counts
report.py     counts -> a report; text.py, page.py and model_card.py show it
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from vtag._version import __version__
from vtag.errors import error, listed, short
from vtag.evaluation.bootstrap import difference
from vtag.evaluation.figures import SCHEMA, Data, System
from vtag.evaluation.gold import Gold, GoldData, Source
from vtag.evaluation.gold_record import Columns
from vtag.evaluation.listing import Listing, Texts, differences
from vtag.evaluation.overlaps import Found
from vtag.evaluation.page import Page
from vtag.evaluation.report import Comparison, Report, report_of
from vtag.evaluation.systems import Predictions, Row, Rows, Spool, first_subwords, tagged
from vtag.evaluation.systems import Source as Spans
from vtag.evaluation.tags import STRICT
from vtag.evaluation.tally import Tally
from vtag.options import DEFAULT_STRATEGY, BoundOptions, TagOptions
from vtag.system.garbage import infrequent_gc

if TYPE_CHECKING:
    from vtag.engine.llm import LLM

RECALL = 0.95


@dataclass(frozen=True, slots=True)
class Candidate:
    """A system to evaluate: a model with its options, or predictions.

    model: a model as in `LLM`, or an LLM. predictions: instead, a file as `vtag run` writes it, or for each record its
    spans. aggregation_strategy, ignore_labels, threshold, stride: as in `LLM.tag`. first_subword: instead, each word
    gets the most probable label of its first sub-word, as scripts for training evaluate. engine: arguments of `LLM`.
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


@dataclass(frozen=True, slots=True)
class How:
    """How gold is read and what is reported besides; see `evaluate`. labels: those that the gold must have."""

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


def evaluate(
    model: str | Path | LLM | None,
    gold: Source,
    *,
    predictions: Spans | None = None,
    input: str | None = None,  # noqa: A002
    label_map: Mapping[str, str] | None = None,
    strict: str | None = None,
    text_field: str = "text",
    words_field: str = "tokens",
    tags_field: str = "tags",
    spans_field: str = "spans",
    predictions_field: str = "spans",
    format: str | None = None,  # noqa: A002
    aggregation_strategy: str = DEFAULT_STRATEGY,
    ignore_labels: Sequence[str] = ("O",),
    threshold: float | Mapping[str, float] | None = None,
    stride: int | None = None,
    first_subword: bool = False,
    recall: float = RECALL,
    seed: int = 0,
    show_text: bool = False,
    errors: str | Path | None = None,
    html: str | Path | None = None,
    use_tqdm: bool = True,
    **engine: Any,
) -> Report:
    """How good a model, or predictions, are on gold data; see docs/evaluation.md.

    Args:
        model: a model as in `LLM`, an LLM, or None with `predictions`.
        gold: files (any format that `vtag run` reads), or records: mappings with text and spans, or words and tags.
        predictions: a file, as `vtag run` writes it, or the spans of each record.
        input: "words": the gold's words are tagged as they are, where it has tags (default); "text": its text is.
        label_map: other names of labels, of gold and of the system alike; "" leaves a label out.
        strict: "IOB1", "IOB2", "IOE1", "IOE2", "IOBES" or "BILOU": tags are read strictly by this scheme, as by
            seqeval with `mode="strict"`; by default by conlleval's rules, as by seqeval without.
        text_field, words_field, tags_field, spans_field: the fields of a record. predictions_field: that of the spans
            in a file of predictions.
        format: of the files, if their extensions do not tell.
        aggregation_strategy, ignore_labels, threshold, stride: as in `LLM.tag`.
        first_subword: each word gets the most probable label of its first sub-word, and entities are read by
            conlleval's rules: what scripts for training report (run_ner.py with seqeval). Needs words.
        recall: the report names the threshold for this recall.
        seed: of the bootstrap.
        show_text: whether the errors, the page and the report have texts.
        errors: a file for the errors, JSON Lines. html: a file for the report as a page.
        use_tqdm: whether to show progress on a terminal, if it takes longer than a moment.
        engine: arguments of `LLM`.

    Raises:
        SettingError: for options that cannot be meant or do not fit, and if gold and model have no label in common.
        InputError: for gold or predictions that cannot be read; it names record and field.
    """
    if engine and not isinstance(model, str | Path):
        raise error("engine_is_made" if predictions is None else "no_engine", names=", ".join(engine))
    candidate = Candidate(
        model, predictions, aggregation_strategy, ignore_labels, threshold, stride, first_subword, engine
    )
    columns = Columns(text_field, words_field, tags_field, spans_field)
    how = How(
        columns,
        predictions_field,
        input,
        label_map,
        strict,
        format,
        recall,
        seed,
        show_text,
        errors,
        html,
        use_tqdm=use_tqdm,
    )
    (report,) = run([candidate], gold, how)[0]
    return report


def compare(
    a: Candidate | str | Path | LLM,
    b: Candidate | str | Path | LLM,
    gold: Source,
    *,
    input: str | None = None,  # noqa: A002
    label_map: Mapping[str, str] | None = None,
    strict: str | None = None,
    text_field: str = "text",
    words_field: str = "tokens",
    tags_field: str = "tags",
    spans_field: str = "spans",
    predictions_field: str = "spans",
    format: str | None = None,  # noqa: A002
    recall: float = RECALL,
    seed: int = 0,
    show_text: bool = False,
    errors: str | Path | None = None,
    use_tqdm: bool = True,
) -> Comparison:
    """Whether B is better than A: both reports, and the difference of F1 by the paired bootstrap over records.

    Args:
        a, b: models as in `LLM`, or `Candidate`s: with other options, or predictions. Models run one after the other.
        errors: a file for the spans that one of them alone has right, JSON Lines.
        All else is as in `evaluate`.
    """
    candidates = [one if isinstance(one, Candidate) else Candidate(one) for one in (a, b)]
    columns = Columns(text_field, words_field, tags_field, spans_field)
    how = How(
        columns, predictions_field, input, label_map, strict, format, recall, seed, show_text, errors, use_tqdm=use_tqdm
    )
    return compared(candidates, gold, how)


def compared(candidates: Sequence[Candidate], gold: Source, how: How) -> Comparison:
    """The comparison of two candidates."""
    (a, b), joint = run(candidates, gold, how)
    return Comparison(SCHEMA, a, b, difference(joint.kinds, how.seed), joint.only_a, joint.only_b, joint.records)


class Joint:
    """Counts of two systems together; see `Comparison` and `bootstrap.difference`."""

    def __init__(self) -> None:
        self.kinds: Counter[tuple[int, int, int, int, int]] = Counter()
        self.only_a = self.only_b = self.records = 0

    def add(self, gold: Gold, one: Sequence[Found], other: Sequence[Found]) -> None:
        """Count a record."""
        wanted = set(gold.spans)
        rights = [{found[:3] for found in spans} & wanted for spans in (one, other)]
        self.kinds[len(rights[0]), len(one), len(rights[1]), len(other), len(wanted)] += 1
        self.only_a += len(rights[0] - rights[1])
        self.only_b += len(rights[1] - rights[0])
        self.records += {found[:3] for found in one} != {found[:3] for found in other}


def run(candidates: Sequence[Candidate], gold: Source, how: How) -> tuple[list[Report], Joint]:
    """The reports of one or two candidates, and the counts of two together."""
    columns = replace(how.columns, spans=how.predictions_field)
    given = [
        Predictions(one.predictions, columns, how.strict) if one.predictions is not None else None for one in candidates
    ]
    data = GoldData(
        gold,
        how.columns,
        as_words=_as_words(how.input, given),
        label_map=how.label_map,
        strict=how.strict,
        format=how.format,
    )
    with ExitStack() as stack:
        stack.enter_context(infrequent_gc())
        plans: dict[str, Any] = {}
        systems = [_prepared(one, predictions, plans) for one, predictions in zip(candidates, given, strict=True)]
        _check_labels(data, systems, how)
        pair = len(systems) == 2
        listing = stack.enter_context(Listing(how.errors, show_text=how.show_text))
        page = Page(how.html, show_text=how.show_text)
        tallies, joint = [Tally() for _ in systems], Joint()
        texts = Texts() if how.show_text else None
        unanswered = [0 for _ in systems]
        rows = _answered(data, systems, how, stack)
        # None: not where stderr is no terminal
        hidden = None if how.use_tqdm else True
        for row in tqdm(rows, total=data.records, unit="record", delay=1, disable=hidden, leave=False):
            record, spans = row.gold, [found or [] for found in row.found]
            for at, (tally, found) in enumerate(zip(tallies, spans, strict=True)):
                unanswered[at] += row.found[at] is None
                wrong = tally.add(record.spans, found)
                if record.tags is not None:
                    tally.add_words(record.tags, _of_words(record, found))
                if not pair:
                    listing.add(record, wrong)
                    page.add(record, found, wrong)
                    if texts is not None:
                        texts.add(record, wrong)
            if pair:
                joint.add(record, *spans)
                listing.write(record, differences(record, *spans))
        reports = [
            report_of(
                tally,
                _data(data, tally.gold.total(), missing),
                _system(one, data, tally),
                vtag=__version__,
                date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
                recall=how.recall,
                seed=how.seed,
                frequent=texts.frequent() if texts is not None and not pair else None,
            )
            for one, tally, missing in zip(systems, tallies, unanswered, strict=True)
        ]
        if not pair:
            page.write(reports[0])
    return reports, joint


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


def _prepared(candidate: Candidate, predictions: Predictions | None, plans: dict[str, Any]) -> Prepared:
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


def _check_labels(data: GoldData, systems: Sequence[Prepared], how: How) -> None:
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


def _answered(data: GoldData, systems: Sequence[Prepared], how: How, stack: ExitStack) -> Rows:
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


def _as_words(asked: str | None, given: Sequence[Predictions | None]) -> bool | None:
    """What offsets refer to: as it is asked for, else what the predictions' do."""
    if asked is not None:
        return asked == "words"
    found = [as_words for one in given if one is not None and (as_words := one.as_words()) is not None]
    return all(found) if found else None


def _of_words(gold: Gold, found: Sequence[Found]) -> list[str]:
    """The label of each word, "" for none."""
    if len(found) == len(gold.offsets) and all(
        one[:2] == place for one, place in zip(found, gold.offsets, strict=True)
    ):
        return [one[2] for one in found]
    labels = [""] * len(gold.offsets)
    at = 0
    for start, end, label, _ in found:
        while at < len(labels) and gold.offsets[at][0] < start:
            at += 1
        here = at
        while here < len(labels) and gold.offsets[here][1] <= end:
            labels[here] = label
            here += 1
    return labels


def _data(data: GoldData, spans: int, unanswered: int) -> Data:
    return Data(
        data.files,
        data.sha256,
        data.records,
        spans,
        unanswered,
        "words" if data.as_words else "text",
        data.reading.scheme if data.reading is not None else None,
    )


def _system(one: Prepared, data: GoldData, tally: Tally) -> System:
    names = {data.named(label) for label in one.labels} - {""} if one.labels is not None else set(tally.found)
    return System(one.name, one.revision, one.shown, sorted(data.labels - names), sorted(names - data.labels))
