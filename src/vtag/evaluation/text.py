"""The report on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vtag.evaluation import exact
from vtag.evaluation.bootstrap import Interval
from vtag.evaluation.figures import Compared, Figures

# Lines are no wider where that can be helped.
WIDTH = 100
# The tables show so many labels of a confusion, the most frequent ones.
MOST_CONFUSED = 12


def render(report: Figures) -> str:
    """A report for people; the table of labels is that of seqeval."""
    system, overall = report.system, report.overall
    figures = (
        f"micro F1 {_digits(overall.f1)}  {_interval(report.interval)}\n"
        f"precision {_digits(overall.precision)}, recall {_digits(overall.recall)}:"
        f" {overall.right:,} right of {overall.found:,} found, {overall.gold:,} gold spans"
    )
    if report.accuracy is not None:
        of = report.accuracy
        figures += f"\naccuracy {_digits(of.accuracy)}: {of.right:,} of {of.words:,} words"
    parts = [_head(report), figures, labels_table(report)]
    rows = [[name, *row[:5], *map(_digits, row[5:])] for name, row in _semeval(report)]
    head = ["", "correct", "incorrect", "partial", "missed", "spurious", "precision", "recall", "f1-score"]
    parts.append("SemEval-2013, as nervaluate\n" + _table([head, *rows]))
    untyped, leak = report.untyped, report.characters
    parts.append(
        f"without labels: precision {_digits(untyped.precision)}, recall {_digits(untyped.recall)},"
        f" F1 {_digits(untyped.f1)}\n"
        f"characters of gold spans in no found span: {leak.leaked:,} of {leak.gold:,} ({_percent(leak.leak_rate)}),"
        f" in {leak.leaking_records:,} of {leak.records:,} records with gold spans\n"
        f"characters of found spans in no gold span: {leak.beside:,} of {leak.found:,}"
    )
    parts.append(_errors(report))
    if len(report.labels) > 1:
        parts.append(_confusion(report))
    if report.thresholds is not None:
        rows = [
            [f"{step.threshold:.1f}", *map(_digits, (step.precision, step.recall, step.f1))]
            for step in report.thresholds
        ]
        parts.append("thresholds\n" + _table([["at", "precision", "recall", "f1-score"], *rows]) + _wanted(report))
    if report.calibration is not None:
        of_scores = report.calibration
        parts.append(
            f"calibration of {of_scores.spans:,} scores: ECE {_digits(of_scores.ece)}"
            f" ({_digits(of_scores.ece_equal_mass)} with bins of equal size), Brier {_digits(of_scores.brier)}"
        )
    if report.frequent is not None:
        for name in ("missed", "spurious"):
            texts = [[str(count), repr(text)[1:-1]] for text, count in getattr(report.frequent, name)]
            if texts:
                parts.append(f"most often {name}\n" + _table(texts))
    for labels, says in ((system.only_gold, "only in the gold"), (system.only_system, "only of the system")):
        if labels:
            parts.append(f"labels {says}: {', '.join(labels)}")
    parts += [f"note: {note}" for note in report.notes]
    return "\n\n".join(parts)


def render_comparison(comparison: Compared) -> str:
    """Two reports side by side, and how sure their difference is."""
    a, b, f1 = comparison.a, comparison.b, comparison.f1
    rows = [["", "A", "B", "B - A"]]
    for name in ("f1", "precision", "recall"):
        values = getattr(a.overall, name), getattr(b.overall, name)
        rows.append([name, *map(_digits, values), _signed(values[1] - values[0])])
    for name in sorted(a.labels.keys() | b.labels.keys()):
        values = _f1(a, name), _f1(b, name)
        rows.append([name, *map(_digits, values), _signed(values[1] - values[0])])
    leaks = a.characters.leak_rate, b.characters.leak_rate
    rows.append(["leak rate", *map(_digits, leaks), _signed(leaks[1] - leaks[0])])
    sure = (
        f"B - A: micro F1 {_signed(f1.difference)}, {_interval(f1.interval, signed=True)}, paired by record\n"
        f"B is no better than A in {_percent(f1.not_better)} of {f1.interval.replicates:,} replicates\n"
        f"answers differ in {comparison.records:,} records: {comparison.only_a:,} gold spans are right in A alone,"
        f" {comparison.only_b:,} in B alone"
    )
    return "\n\n".join(
        [
            f"A: {_system(a)}\nB: {_system(b)}\n{_data(a)}",
            _table(rows),
            sure,
            *(f"note: {note}" for note in dict.fromkeys([*a.notes, *b.notes])),
        ]
    )


def _f1(report: Figures, label: str) -> float:
    return report.labels[label].f1 if label in report.labels else 0.0


def labels_table(report: Figures) -> str:
    """The lines of seqeval's `classification_report`."""
    return exact.table({name: exact.Score(row.right, row.found, row.gold) for name, row in report.labels.items()})


def _head(report: Figures) -> str:
    return f"{_system(report)}\n{_data(report)}"


def _system(report: Figures) -> str:
    options = ", ".join(f"{name} {value}" for name, value in report.system.options.items())
    return f"{report.system.model}{f' ({options})' if options else ''}, vtag {report.vtag}"


def _data(report: Figures) -> str:
    data = report.data
    names = ", ".join(data.files) or "records in memory"
    gold = f"tags ({data.tags})" if data.tags is not None else "spans"
    known = f", sha256 {data.sha256[:12]}" if data.sha256 else ""
    return f"{names}: {data.records:,} records, {data.spans:,} gold spans from {gold}, {data.input} as input{known}"


def _semeval(report: Figures) -> Iterable[tuple[str, tuple[float, ...]]]:
    for name, row in report.semeval.items():
        counts = row.correct, row.incorrect, row.partial, row.missed, row.spurious
        yield name, (*counts, row.precision, row.recall, row.f1)


def _errors(report: Figures) -> str:
    """Kinds of errors by label, the sum first."""
    kinds = list(report.errors.kinds)
    rows = [["", *kinds], ["all", *(str(report.errors.kinds[kind]) for kind in kinds)]]
    rows += [[label, *(str(row.get(kind, 0)) for kind in kinds)] for label, row in report.errors.labels.items()]
    borders = {**report.errors.sides, **report.errors.sizes}
    says = ", ".join(f"{name} {count:,}" for name, count in borders.items())
    return "errors\n" + _table(rows) + (f"\nborders that differ: {says}" if says else "")


def _confusion(report: Figures) -> str:
    """Gold labels by row, found ones by column; of many, those that are confused most."""
    weights: dict[str, int] = {}
    for one in report.confusion:
        for label in (one.gold, one.found):
            if label is not None:
                weights[label] = weights.get(label, 0) + one.count * (1 if one.gold == one.found else 2)
    shown = sorted(sorted(weights, key=lambda label: -weights[label])[:MOST_CONFUSED])
    counts = {(one.gold, one.found): one.count for one in report.confusion}
    axis: list[str | None] = [*shown, None]
    names = ["NONE" if label is None else label for label in axis]
    columns = names
    if sum(map(len, names)) > WIDTH - 20:  # numbers stand for labels
        columns = [str(at) for at in range(1, len(names) + 1)]
        names = [f"{name} {at}" for name, at in zip(names, columns, strict=True)]
    rows = [["gold \\ found", *columns]]
    for gold, name in zip(axis, names, strict=True):
        rows.append([name, *(str(counts.get((gold, found), "")) for found in axis)])
    more = len(weights) - len(shown)
    return "confusion\n" + _table(rows) + (f"\n{more} more labels are in the JSON" if more else "")


def _wanted(report: Figures) -> str:
    wanted = report.wanted
    if wanted is None:
        return ""
    if wanted.threshold is None:
        return f"\nrecall {wanted.recall:g} is not reached: it is {_digits(wanted.step.recall)} without a threshold"
    return (
        f"\nrecall {wanted.recall:g} is reached at {wanted.threshold:.4f},"
        f" with precision {_digits(wanted.step.precision)}"
    )


def _interval(interval: Interval, *, signed: bool = False) -> str:
    show = _signed if signed else _digits
    return f"[{show(interval.low)}, {show(interval.high)}] {interval.level:.0%} interval"


def _digits(value: float) -> str:
    return f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _table(rows: Sequence[Sequence[object]]) -> str:
    """Columns that are as wide as their widest cell, to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )
