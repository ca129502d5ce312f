"""Spans to look at: coloured text for a terminal, a small self-contained piece of HTML, and a view for notebooks.

Spans may overlap (multi-label models): the text is cut at every border, and each piece knows the spans that cover it.
"""

from __future__ import annotations

import html
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vtag.types import Span

# Backgrounds of the 256-colour palette that black text can be read on; neighbours here are unlike each other.
_BACKGROUNDS = (117, 215, 120, 218, 229, 183, 159, 210, 156, 180, 186, 216, 222)
# The colour of each label shown so far in this process.
_colors: dict[str, int] = {}
# Text from elsewhere must not steer the terminal: control characters are shown, not sent.
_VISIBLE = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}
_VISIBLE |= {0x7F: 0x2421, **dict.fromkeys(range(0x80, 0xA0), 0xFFFD)}


def render_terminal(text: str, spans: Sequence[Span], *, color: bool = True) -> str:
    """The text with each span on its label's colour and the label behind it; in brackets where `color` is false."""
    parts = []
    for piece, covering, begins, ends in _pieces(text, spans):
        shown = piece.translate(_VISIBLE)
        if not color:
            parts.append("[" * begins + shown + "".join(f" {_label(span)}]" for span in ends))
            continue
        parts.append(_paint(shown, covering[-1].label) if covering else shown)
        parts.extend(_paint(f" {_label(span)} ", span.label, bold=True) for span in ends)
    return "".join(parts)


def render_html(text: str, spans: Sequence[Span]) -> str:
    """The same as a <div> that needs no style sheet and no script; safe for any text, right to left included."""
    parts = []
    for piece, covering, _, ends in _pieces(text, spans):
        inner = html.escape(piece.translate(_VISIBLE))
        for span in reversed(covering):
            name = f"<bdi>{html.escape(_label(span))}</bdi>" if span in ends else ""
            tag = f'<b style="font-size:.7em;margin:0 .4em">{name}</b>' if name else ""
            hue = _color(span.label) * 5 % len(_BACKGROUNDS) * 360 // len(_BACKGROUNDS)
            style = f"background:hsl({hue},75%,82%);color:#111;padding:.15em .1em;border-radius:.25em"
            inner = f'<mark title="{span.score:.3f}" style="{style}">{inner}{tag}</mark>'
        parts.append(inner)
    return f'<div dir="auto" style="white-space:pre-wrap;line-height:2;font-family:sans-serif">{"".join(parts)}</div>'


@dataclass(frozen=True, slots=True)
class Highlight:
    """A tagged text that shows itself in colours, as the last line of a notebook's cell or when printed."""

    text: str
    spans: Sequence[Span]

    def __str__(self) -> str:
        return render_terminal(self.text, self.spans)

    def _repr_html_(self) -> str:
        return render_html(self.text, self.spans)


def _pieces(text: str, spans: Sequence[Span]) -> Iterator[tuple[str, list[Span], int, list[Span]]]:
    """Stretches of the text in order: (stretch, spans over it from outer to inner, how many begin, those that end)."""
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
    """Colours end and begin again at line breaks, or terminals fill the rest of the line."""
    code = f"\x1b[{'1;' if bold else ''}30;48;5;{_BACKGROUNDS[_color(label)]}m"
    return "\n".join(f"{code}{line}\x1b[0m" if line else "" for line in text.split("\n"))


def _label(span: Span) -> str:
    return span.label.translate(_VISIBLE)


def _color(label: str) -> int:
    """The number of the label's colour: the same in every run where it can be, no other label's while some are free."""
    if label not in _colors:
        wish = zlib.crc32(label.encode(errors="replace"))
        tried = [(wish + step) % len(_BACKGROUNDS) for step in range(len(_BACKGROUNDS))]
        taken = set(_colors.values())
        _colors[label] = next((color for color in tried if color not in taken), tried[0])
    return _colors[label]
