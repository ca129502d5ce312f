"""Rendering of spans: coloured text for a terminal, and self-contained HTML.

Spans may overlap (multi-label models): the text is cut at every border, and each segment knows the spans that cover it.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from vtag.types import Span

# Backgrounds of a terminal's 256 colours on which black text is readable; neighbours differ clearly.
PALETTE = (117, 216, 150, 218, 222, 183, 122, 210, 186, 147, 193, 180, 182, 159, 229, 115, 217, 187)
STYLE = Path(__file__).with_suffix(".css").read_text("utf-8")
# Types shown so far in this process -> their numbers.
_places: dict[str, int] = {}
# B-PER and I-PER get the colour of PER.
_PREFIX = re.compile(r"^[A-Z][-_](?=.)")
# Text must not control the terminal: control characters are shown, not sent.
_VISIBLE = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}
_VISIBLE |= {0x7F: 0x2421, **dict.fromkeys(range(0x80, 0xA0), 0xFFFD)}


def render_terminal(text: str, spans: Sequence[Span], *, color: bool = True) -> str:
    """The text with each span on its label's colour, followed by the label; in brackets if `color` is false."""
    parts = []
    for piece, covering, begins, ends in _segments(text, spans):
        shown = visible(piece)
        if not color:
            parts.append("[" * begins + shown + "".join(f" {_label(span)}]" for span in ends))
            continue
        parts.append(_paint(shown, covering[-1].label) if covering else shown)
        parts.extend(_paint(f" {_label(span)} ", span.label, bold=True) for span in ends)
    return "".join(parts)


def render_html(text: str, spans: Sequence[Span]) -> str:
    """The same as a <div> with its own style and no script; safe for any text, right to left included."""
    return f'<div class="vtag" dir="auto"><style>{STYLE}</style>{marked(text, spans)}</div>'


def render_page(texts: Sequence[str], rows: Sequence[Sequence[Span]], *, title: str) -> str:
    """A standalone page without a script: how often each label occurs, then the texts with their spans."""
    counts = Counter(span.label for row in rows for span in row)
    legend = "".join(
        f'<li><mark style="background:{rgb(_color(label))}">{html.escape(visible(label))}</mark> {counts[label]}</li>\n'
        for label in sorted(counts, key=_place)
    )
    articles = "".join(
        f'<article class="vtag" dir="auto">{marked(text, row)}</article>\n'
        for text, row in zip(texts, rows, strict=True)
    )
    return page(title, f'<ul class="vtag-legend">\n{legend}</ul>\n{articles}')


def page(title: str, body: str, style: str = "") -> str:
    """A standalone page without a script; body and style are HTML and CSS that are safe already."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{html.escape(title)} · vtag</title>
<style>
{STYLE}
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }}
body {{ margin: 2rem auto; max-width: 50rem; padding: 0 1rem; }}
h1 {{ font-size: 1.35rem; }}
article {{ border-top: 1px solid #8886; margin-top: 1rem; padding-top: 1rem; }}
{style}</style>
</head>
<body>
<main>
<h1>{html.escape(title)}</h1>
{body}</main>
</body>
</html>
"""


def marked(text: str, spans: Sequence[Span], *, scores: bool = True) -> str:
    """The HTML of a text with its spans in colours, and their scores as titles."""
    parts = []
    for piece, covering, _, ends in _segments(text, spans):
        inner = html.escape(visible(piece))
        for span in reversed(covering):
            label = f"<b> {html.escape(_label(span))}</b>" if span in ends else ""
            color = rgb(_color(span.label))
            title = f'title="{span.score:.3f}" ' if scores else ""
            inner = f'<mark {title}style="background:{color}">{inner}{label}</mark>'
        parts.append(inner)
    return "".join(parts)


def visible(text: str) -> str:
    """The text with signs in place of control characters, except for tabs and line ends."""
    return text.translate(_VISIBLE)


def rgb(color: int) -> str:
    """A colour of the terminal's 6x6x6 cube (16 to 231) as "#rrggbb"."""
    levels = (0, 95, 135, 175, 215, 255)
    return "#{:02x}{:02x}{:02x}".format(*(levels[(color - 16) // step % 6] for step in (36, 6, 1)))


def colors(labels: Iterable[str]) -> dict[str, str]:
    """The colour of each label as "#rrggbb"; different labels get different colours while some are free.

    Colours are assigned in the order in which labels appear: a program that shows its model's types first gets the same
    colours in every run.
    """
    return {label: rgb(_color(label)) for label in labels}


def _segments(text: str, spans: Sequence[Span]) -> Iterator[tuple[str, list[Span], int, list[Span]]]:
    """Segments of the text in order: (segment, spans over it from outer to inner, how many begin, those that end)."""
    ordered = sorted((span for span in spans if span.start < span.end), key=lambda span: (span.start, -span.end))
    borders = sorted({0, len(text), *(edge for span in ordered for edge in (span.start, span.end))})
    open_: list[Span] = []
    waiting = iter(ordered)
    following = next(waiting, None)
    for start, end in pairwise(borders):
        begins = 0
        while following is not None and following.start == start:
            open_.append(following)
            begins += 1
            following = next(waiting, None)
        ends = [span for span in reversed(open_) if span.end == end]
        yield text[start:end], open_, begins, ends
        open_ = [span for span in open_ if span.end > end]


def _paint(text: str, label: str, *, bold: bool = False) -> str:
    """Colours end and restart at line breaks, because terminals would fill the rest of the line."""
    code = f"\x1b[{'1;' if bold else ''}30;48;5;{_color(label)}m"
    return "\n".join(f"{code}{line}\x1b[0m" if line else "" for line in text.split("\n"))


def _label(span: Span) -> str:
    return visible(span.label)


def _color(label: str) -> int:
    """The label's colour as a terminal's number."""
    return PALETTE[_place(label) % len(PALETTE)]


def _place(label: str) -> int:
    """The number of the label's type."""
    return _places.setdefault(_PREFIX.sub("", label, count=1), len(_places))
