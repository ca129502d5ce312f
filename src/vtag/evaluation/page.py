"""The report as a page without a script: figures, then records with gold beside found, those with errors first."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from vtag import view
from vtag.errors import error
from vtag.evaluation.figures import Figures
from vtag.evaluation.gold import Gold
from vtag.evaluation.overlaps import Found, Pair, Triple
from vtag.evaluation.text import borders_line, data_line, system_line, wanted_line
from vtag.types import Span

# So many records are on the page, and so many characters of a text.
MOST_RECORDS, MOST_CHARACTERS = 1_000, 4_000
STYLE = Path(__file__).with_suffix(".css").read_text("utf-8")

Cell = str | int | float | None


class Page:
    """Collects records, and writes the page at the end; does nothing without a file."""

    def __init__(self, path: str | Path | None, *, show_text: bool) -> None:
        self._path, self._show_text = path, show_text
        self._wrong: list[str] = []
        self._right: list[str] = []
        if path is not None:  # reports an unwritable file before an engine starts
            try:
                open(path, "ab").close()
            except OSError as cause:
                raise self._failed(cause) from cause

    def add(self, gold: Gold, found: Sequence[Found], wrong: Sequence[Pair]) -> None:
        """Keep a record, while there is room for one of its kind."""
        kept = self._wrong if wrong else self._right
        if self._path is not None and len(kept) < MOST_RECORDS:
            kept.append(_record(gold, found, wrong, show_text=self._show_text))

    def write(self, report: Figures) -> None:
        """Write the page."""
        if self._path is None:
            return
        # colours by label: the same ones in every run
        view.colors(sorted(report.labels))
        articles = [*self._wrong, *self._right][:MOST_RECORDS]
        try:
            Path(self._path).write_text(
                render(report, articles, show_text=self._show_text), "utf-8", "backslashreplace"
            )
        except OSError as cause:
            raise self._failed(cause) from cause

    def _failed(self, cause: OSError) -> Exception:
        return error("eval_failed", path=self._path, reason=cause.strerror, option="--html")


def render(report: Figures, articles: Sequence[str], *, show_text: bool) -> str:
    """The whole page."""
    data, overall, leak = report.data, report.overall, report.characters
    interval = report.interval
    known = f", revision {report.system.revision[:12]}" if report.system.revision else ""
    big = [
        ("micro F1", _figure(overall.f1), f"{interval.low:.3f} to {interval.high:.3f}, {interval.level:.0%} interval"),
        ("precision", _figure(overall.precision), f"{overall.right:,} of {overall.found:,} found spans"),
        ("recall", _figure(overall.recall), f"{overall.right:,} of {overall.gold:,} gold spans"),
        ("leaked", f"{100 * leak.leak_rate:.1f} %", f"{leak.leaked:,} of {leak.gold:,} characters of gold spans"),
    ]
    if report.accuracy is not None:
        of = report.accuracy
        big.append(("accuracy", _figure(of.accuracy), f"{of.right:,} of {of.words:,} words"))
    parts = [
        f"<p>{_escape(system_line(report))}, {report.date}{known}</p>",
        f"<p>{_escape(data_line(report))}; offsets are code points</p>",
        *(f"<p>Note: {_escape(note)}.</p>" for note in report.notes),
        '<dl class="figures">'
        + "".join(f"<div><dt>{name}</dt><dd>{value}</dd><dd>{says}</dd></div>" for name, value, says in big)
        + "</dl>",
        '<p><a href="#records">Gold beside found, record by record</a></p>',
        _section("Confusion", _confusion(report)) if len(report.labels) > 1 else "",
        '<div class="tables">',
        _section("By label", _labels(report)),
        _section("Errors by kind", _errors(report)),
        _section("SemEval-2013, as nervaluate", _semeval(report)),
        _section("Thresholds", _thresholds(report)) if report.thresholds is not None else "",
        _section("Calibration", _calibration(report)) if report.calibration is not None else "",
        _section("Most often wrong", _frequent(report)) if report.frequent is not None else "",
        "</div>",
    ]
    says = "those with errors first" + ("" if show_text else "; --show-text shows their texts")
    listed = f"<p>{len(articles):,} of {data.records:,} records, {says}.</p>\n" + "".join(articles)
    parts.append(f'<section id="records">\n<h2>Records</h2>\n{listed}</section>')
    return view.page(f"{report.system.model} on {', '.join(data.files) or 'records'}", "\n".join(parts) + "\n", STYLE)


def _record(gold: Gold, found: Sequence[Found], wrong: Sequence[Pair], *, show_text: bool) -> str:
    """Gold above found, with the kinds of errors; without texts the places and labels."""
    kinds = ", ".join(f"{pair.kind} {_escape((pair.gold or pair.found or ('', '', ''))[2])}" for pair in wrong)
    sides = [("gold", [(*span, None) for span in gold.spans]), ("found", found)]
    rows = "".join(f"<dt>{name}</dt>{_side(gold.text, spans, show_text=show_text)}" for name, spans in sides)
    return f"<article><h3>record {gold.number}{': ' if kinds else ''}{kinds}</h3><dl>{rows}</dl></article>\n"


def _side(text: str, spans: Iterable[Found | Triple], *, show_text: bool) -> str:
    if not show_text:
        places = ", ".join(f"{start} to {end} {_escape(label)}" for start, end, label, *_ in spans)
        return f"<dd>{places or 'none'}</dd>"
    shown = text[:MOST_CHARACTERS]
    kept = [
        Span(start, min(end, len(shown)), label, rest[0] if rest and rest[0] is not None else 1.0, "")
        for start, end, label, *rest in spans
        if start < len(shown)
    ]
    more = " …" if len(text) > len(shown) else ""
    return f'<dd class="vtag" dir="auto">{view.marked(shown, kept, scores=False)}{more}</dd>'


def _labels(report: Figures) -> str:
    rows: list[list[Cell]] = [
        [name, row.precision, row.recall, row.f1, row.gold, row.found] for name, row in report.labels.items()
    ]
    of = report.overall
    rows.append(["micro avg", of.precision, of.recall, of.f1, of.gold, of.found])
    rows += [
        [f"{name} avg", mean.precision, mean.recall, mean.f1, None, None] for name, mean in report.averages.items()
    ]
    return _table(["label", "precision", "recall", "F1", "gold", "found"], rows)


def _confusion(report: Figures) -> str:
    """Gold labels by row, found ones by column, darker where more of the row is."""
    counts = {(one.gold, one.found): one.count for one in report.confusion}
    axis = [*sorted(report.labels), None]
    names = ["none" if label is None else label for label in axis]
    lines = []
    for gold, name in zip(axis, names, strict=True):
        row = [counts.get((gold, found), 0) for found in axis]
        whole = sum(row) or 1
        cells = "".join(
            _shaded(count, count / whole, right=gold == found) for count, found in zip(row, axis, strict=True)
        )
        lines.append(f'<tr><th scope="row">{_escape(name)}</th>{cells}</tr>')
    head = "".join(f'<th scope="col"><span>{_escape(name)}</span></th>' for name in names)
    return f'<table class="confusion"><tr><td>gold \\ found</td>{head}</tr>{"".join(lines)}</table>'


def _shaded(count: int, share: float, *, right: bool) -> str:
    if not count:
        return "<td></td>"
    kind = "right" if right else "wrong"
    return f'<td class="{kind}" style="--share:{share:.2f}">{count}</td>'


def _errors(report: Figures) -> str:
    kinds = list(report.errors.kinds)
    rows: list[list[Cell]] = [
        [label, *(row.get(kind, 0) for kind in kinds)] for label, row in report.errors.labels.items()
    ]
    rows.append(["all", *(report.errors.kinds[kind] for kind in kinds)])
    says = borders_line(report)
    return _table(["label", *kinds], rows) + (f"<p>{says.capitalize()}.</p>" if says else "")


def _semeval(report: Figures) -> str:
    rows: list[list[Cell]] = [
        [name, row.correct, row.incorrect, row.partial, row.missed, row.spurious, row.precision, row.recall, row.f1]
        for name, row in report.semeval.items()
    ]
    return _table(
        ["scheme", "correct", "incorrect", "partial", "missed", "spurious", "precision", "recall", "F1"], rows
    )


def _thresholds(report: Figures) -> str:
    steps = report.thresholds or ()
    rows: list[list[Cell]] = [[f"{step.threshold:.1f}", step.precision, step.recall, step.f1] for step in steps]
    says = wanted_line(report)
    return _table(["threshold", "precision", "recall", "F1"], rows) + (f"<p>{says.capitalize()}.</p>" if says else "")


def _calibration(report: Figures) -> str:
    of = report.calibration
    assert of is not None
    rows: list[list[Cell]] = [[f"{one.low:.2f} to {one.high:.2f}", one.spans, one.score, one.right] for one in of.bins]
    says = (
        f"<p>Expected calibration error {of.ece:.4f}, with bins of equal size {of.ece_equal_mass:.4f};"
        f" Brier score {of.brier:.4f}. Missed spans are not seen here.</p>"
    )
    return _table(["scores", "spans", "mean score", "share right"], rows) + says


def _frequent(report: Figures) -> str:
    frequent = report.frequent
    assert frequent is not None
    rows: list[list[Cell]] = [
        [name, repr(text)[1:-1], count]
        for name, texts in (("missed", frequent.missed), ("spurious", frequent.spurious))
        for text, count in texts
    ]
    return _table(["kind", "text", "times"], rows)


def _section(title: str, inner: str) -> str:
    # what can be scrolled must be reachable by keyboard
    group = f'<div class="wide" tabindex="0" role="group" aria-label="{title}">'
    return f"<section>\n<h2>{title}</h2>\n{group}{inner}</div>\n</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table whose first column has the names of the rows."""
    columns = "".join(f'<th scope="col">{_escape(name)}</th>' for name in head)
    lines = "".join(
        f'<tr><th scope="row">{_escape(str(name))}</th>{"".join(map(_cell, values))}</tr>' for name, *values in rows
    )
    return f"<table><thead><tr>{columns}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(value: Cell) -> str:
    if isinstance(value, str):
        return f'<td class="text">{_escape(value)}</td>'
    if isinstance(value, float):
        return f"<td>{_figure(value)}</td>"
    return f"<td>{'' if value is None else f'{value:,}'}</td>"


def _figure(value: float) -> str:
    return f"{value:.4f}"


def _escape(text: str) -> str:
    return html.escape(text)
