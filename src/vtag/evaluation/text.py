"""The report on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from vtag.evaluation import exact
from vtag.evaluation.bootstrap import Interval
from vtag.evaluation.figures import Compared, Figures
from vtag.view import visible

# Lines are no wider where that can be helped.
WIDTH = 100
# The tables show so many labels of a confusion, the most frequent ones.
MOST_CONFUSED = 12


def render(report: Figures) -> str:
    """A report for people; the table of labels is that of seqeval."""
    parts = [
        f"{system_line(report)}\n{data_line(report)}",
        _overall(report),
        labels_table(report),
        _semeval(report),
        _characters(report),
        _errors(report),
        _confusion(report),
        _thresholds(report),
        _calibration(report),
        _frequent(report),
        _labels(report),
        *(f"note: {note}" for note in report.notes),
    ]
    # labels and names of files must not control the terminal
    return visible("\n\n".join(filter(None, parts)))


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
    parts = [
        f"A: {system_line(a)}\nB: {system_line(b)}\n{data_line(a)}",
        _table(rows),
        sure,
        *(f"note: {note}" for note in dict.fromkeys([*a.notes, *b.notes])),
    ]
    return visible("\n\n".join(parts))


def _f1(report: Figures, label: str) -> float:
    return report.labels[label].f1 if label in report.labels else 0.0


def labels_table(report: Figures) -> str:
    """The lines of seqeval's `classification_report`."""
    return exact.table({name: exact.Score(row.right, row.found, row.gold) for name, row in report.labels.items()})


def system_line(report: Figures) -> str:
    """What was evaluated, and how."""
    options = ", ".join(f"{name} {value}" for name, value in report.system.options.items())
    return f"{report.system.model}{f' ({options})' if options else ''}, vtag {report.vtag}"


def data_line(report: Figures) -> str:
    """On what."""
    data = report.data
    names = ", ".join(data.files) or "records in memory"
    gold = f"tags ({data.tags})" if data.tags is not None else "spans"
    known = f", sha256 {data.sha256[:12]}" if data.sha256 else ""
    return f"{names}: {data.records:,} records, {data.spans:,} gold spans from {gold}, {data.input} as input{known}"


def wanted_line(report: Figures) -> str:
    """At which threshold the wanted recall is reached; "" without gold spans or scores."""
    wanted = report.wanted
    if wanted is None:
        return ""
    if wanted.threshold is None:
        return f"recall {wanted.recall:g} is not reached: it is {_digits(wanted.step.recall)} without a threshold"
    precision = _digits(wanted.step.precision)
    return f"recall {wanted.recall:g} is reached at {wanted.threshold:.4f}, with precision {precision}"


def borders_line(report: Figures) -> str:
    """How the borders of spans with errors differ; "" if none do."""
    borders = {**report.errors.sides, **report.errors.sizes}
    says = ", ".join(f"{name} {count:,}" for name, count in borders.items())
    return f"borders that differ: {says}" if says else ""


def _overall(report: Figures) -> str:
    of = report.overall
    counts = f"{of.right:,} right of {of.found:,} found, {of.gold:,} gold spans"
    lines = [
        f"micro F1 {_digits(of.f1)}  {_interval(report.interval)}",
        f"precision {_digits(of.precision)}, recall {_digits(of.recall)}: {counts}",
    ]
    if (words := report.accuracy) is not None:
        lines.append(f"accuracy {_digits(words.accuracy)}: {words.right:,} of {words.words:,} words")
    return "\n".join(lines)


def _semeval(report: Figures) -> str:
    head = ["", "correct", "incorrect", "partial", "missed", "spurious", "precision", "recall", "f1-score"]
    rows: list[list[object]] = []
    for name, row in report.semeval.items():
        counts = row.correct, row.incorrect, row.partial, row.missed, row.spurious
        rows.append([name, *counts, *map(_digits, (row.precision, row.recall, row.f1))])
    return "SemEval-2013, as nervaluate\n" + _table([head, *rows])


def _characters(report: Figures) -> str:
    untyped, leak = report.untyped, report.characters
    figures = _digits(untyped.precision), _digits(untyped.recall), _digits(untyped.f1)
    leaked = f"{leak.leaked:,} of {leak.gold:,} ({_percent(leak.leak_rate)})"
    where = f"{leak.leaking_records:,} of {leak.records:,} records with gold spans"
    lines = [
        "without labels: precision {}, recall {}, F1 {}".format(*figures),
        f"characters of gold spans in no found span: {leaked}, in {where}",
        f"characters of found spans in no gold span: {leak.beside:,} of {leak.found:,}",
    ]
    return "\n".join(lines)


def _errors(report: Figures) -> str:
    """Kinds of errors by label, the sum first."""
    kinds = list(report.errors.kinds)
    rows = [["", *kinds], ["all", *(str(report.errors.kinds[kind]) for kind in kinds)]]
    rows += [[label, *(str(row.get(kind, 0)) for kind in kinds)] for label, row in report.errors.labels.items()]
    return "\n".join(filter(None, ["errors", _table(rows), borders_line(report)]))


def _confusion(report: Figures) -> str:
    """Gold labels by row, found ones by column; of many, those that are confused most. "" with one label."""
    if len(report.labels) < 2:
        return ""
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


def _thresholds(report: Figures) -> str:
    rows = [
        [f"{step.threshold:.1f}", *map(_digits, (step.precision, step.recall, step.f1))]
        for step in report.thresholds or ()
    ]
    if not rows:
        return ""
    table = _table([["at", "precision", "recall", "f1-score"], *rows])
    return "\n".join(filter(None, ["thresholds", table, wanted_line(report)]))


def _calibration(report: Figures) -> str:
    of = report.calibration
    if of is None:
        return ""
    return (
        f"calibration of {of.spans:,} scores: ECE {_digits(of.ece)}"
        f" ({_digits(of.ece_equal_mass)} with bins of equal size), Brier {_digits(of.brier)}"
    )


def _frequent(report: Figures) -> str:
    if report.frequent is None:
        return ""
    kinds = {"missed": report.frequent.missed, "spurious": report.frequent.spurious}
    return "\n\n".join(
        f"most often {kind}\n" + _table([[count, repr(text)[1:-1]] for text, count in texts])
        for kind, texts in kinds.items()
        if texts
    )


def _labels(report: Figures) -> str:
    """Labels that one side lacks."""
    sides = {"only in the gold": report.system.only_gold, "only of the system": report.system.only_system}
    return "\n".join(f"labels {says}: {', '.join(labels)}" for says, labels in sides.items() if labels)


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
