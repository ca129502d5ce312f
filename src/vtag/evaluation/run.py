"""`vtag.evaluate` and `vtag.compare`: gold and one or two systems -> a report.

gold.py       files or records -> checked gold, spans in order
candidates.py one or two systems, checked
systems.py    each record -> what a model, or a file of predictions, found in it
tally.py      gold and found, record by record -> counts
report.py     counts -> a report; text.py, page.py and model_card.py show it
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from vtag._version import __version__
from vtag.errors import error
from vtag.evaluation.bootstrap import difference
from vtag.evaluation.candidates import Candidate, Prepared, answered, check_labels, prepared
from vtag.evaluation.figures import SCHEMA, Data, System
from vtag.evaluation.gold import GoldData, Source
from vtag.evaluation.gold_record import Columns
from vtag.evaluation.how import RECALL, How
from vtag.evaluation.listing import Listing, Texts, differences
from vtag.evaluation.page import Page
from vtag.evaluation.report import Comparison, Report, report_of
from vtag.evaluation.systems import Predictions
from vtag.evaluation.systems import Source as Spans
from vtag.evaluation.tally import Joint, Tally
from vtag.options import DEFAULT_STRATEGY
from vtag.system.garbage import infrequent_gc

if TYPE_CHECKING:
    from vtag.engine.llm import LLM


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
    """How good a model, or predictions, are on gold data; see docs/guides/evaluate.md.

    Args:
        model: a model as in `LLM`, an LLM, or None with `predictions`.
        gold: files (any format that `vtag run` reads), or records: mappings with text and spans, or words and tags.
        predictions: a file, as `vtag run` writes it, or the spans of each record.
        input: "words": the gold's words are tagged as they are, where it has tags (default); "text": its text is.
        label_map: other names of labels, of gold and of the system alike; "" leaves a label out.
        strict: "IOB1", "IOB2", "IOE1", "IOE2", "IOBES" or "BILOU": tags are read strictly by this scheme, as by
            seqeval with `mode="strict"`; by default by conlleval's rules, as by seqeval without.
        text_field: the field of a record with its text.
        words_field: the field with its words.
        tags_field: the field with their tags.
        spans_field: the field with its spans.
        predictions_field: the field with the spans in a file of predictions.
        format: of the files, if their extensions do not tell.
        aggregation_strategy: as in `LLM.tag`.
        ignore_labels: as in `LLM.tag`.
        threshold: as in `LLM.tag`.
        stride: as in `LLM.tag`.
        first_subword: each word gets the most probable label of its first sub-word, and entities are read by
            conlleval's rules: what scripts for training report (run_ner.py with seqeval). Needs words.
        recall: the report names the threshold for this recall.
        seed: of the bootstrap.
        show_text: whether the errors, the page and the report have texts.
        errors: a file for the errors, JSON Lines.
        html: a file for the report as a page.
        use_tqdm: whether to show progress on a terminal, if it takes longer than a moment.
        engine: arguments of `LLM`.

    Returns:
        The report: `str` of it is what `vtag eval` prints, `to_dict` its JSON. Figures are fractions, offsets code
        points.

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
        columns=columns,
        predictions_field=predictions_field,
        input=input,
        label_map=label_map,
        strict=strict,
        format=format,
        recall=recall,
        seed=seed,
        show_text=show_text,
        errors=errors,
        html=html,
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
        a: a model as in `LLM`, or a `Candidate`: with other options, or predictions.
        b: the other one. Models run one after the other.
        gold: as in `evaluate`.
        input: as in `evaluate`.
        label_map: as in `evaluate`, for both.
        strict: as in `evaluate`.
        text_field: as in `evaluate`.
        words_field: as in `evaluate`.
        tags_field: as in `evaluate`.
        spans_field: as in `evaluate`.
        predictions_field: as in `evaluate`.
        format: as in `evaluate`.
        recall: as in `evaluate`.
        seed: as in `evaluate`.
        show_text: as in `evaluate`.
        errors: a file for the spans that one of them alone has right, JSON Lines.
        use_tqdm: as in `evaluate`.

    Returns:
        Both reports, and the difference with its interval.

    Raises:
        SettingError: as in `evaluate`.
        InputError: as in `evaluate`.
    """
    candidates = [one if isinstance(one, Candidate) else Candidate(one) for one in (a, b)]
    columns = Columns(text_field, words_field, tags_field, spans_field)
    how = How(
        columns=columns,
        predictions_field=predictions_field,
        input=input,
        label_map=label_map,
        strict=strict,
        format=format,
        recall=recall,
        seed=seed,
        show_text=show_text,
        errors=errors,
        use_tqdm=use_tqdm,
    )
    return compared(candidates, gold, how)


def compared(candidates: Sequence[Candidate], gold: Source, how: How) -> Comparison:
    """The comparison of two candidates."""
    (a, b), joint = run(candidates, gold, how)
    return Comparison(SCHEMA, a, b, difference(joint.kinds, how.seed), joint.only_a, joint.only_b, joint.records)


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
    _check_outputs(how, [*data.paths, *(path for one in given if one is not None for path in one.paths)])
    with ExitStack() as stack:
        stack.enter_context(infrequent_gc())
        plans: dict[str, Any] = {}
        systems = [prepared(one, predictions, plans) for one, predictions in zip(candidates, given, strict=True)]
        check_labels(data, systems, how)
        pair = len(systems) == 2
        listing = stack.enter_context(Listing(how.errors, show_text=how.show_text))
        page = Page(how.html, show_text=how.show_text)
        tallies, joint = [Tally() for _ in systems], Joint()
        texts = Texts() if how.show_text else None
        unanswered = [0 for _ in systems]
        rows = answered(data, systems, how, stack)
        # None: not where stderr is no terminal
        hidden = None if how.use_tqdm else True
        for row in tqdm(rows, total=data.records, unit="record", delay=1, disable=hidden, leave=False):
            record, spans = row.gold, [found or [] for found in row.found]
            for at, (tally, found) in enumerate(zip(tallies, spans, strict=True)):
                unanswered[at] += row.found[at] is None
                wrong = tally.add(record.spans, found)
                if record.tags is not None:
                    tally.add_words(record.tags, record.offsets, found)
                if not pair:
                    listing.add(record, wrong)
                    page.add(record, found, wrong)
                    if texts is not None:
                        texts.add(record, wrong)
            if pair:
                joint.add(record.spans, *spans)
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


def _check_outputs(how: How, read: Sequence[Path]) -> None:
    """Raise SettingError for a file that is written and read."""
    for path in (how.errors, how.html):
        if path is not None and Path(path).resolve() in {one.resolve() for one in read}:
            raise error("input_is_output", path=path)


def _as_words(asked: str | None, given: Sequence[Predictions | None]) -> bool | None:
    """What offsets refer to: as it is asked for, else what the predictions' do."""
    if asked is not None:
        return asked == "words"
    found = [as_words for one in given if one is not None and (as_words := one.as_words()) is not None]
    return all(found) if found else None


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
