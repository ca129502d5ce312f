"""The views show every character of the text, label every span, and let no text act on the terminal or the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from vtag.types import Span
from vtag.view import Highlight, _colors, render_html, render_terminal

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def make_span(text: str, start: int, end: int, label: str) -> Span:
    return Span(start, end, label, 0.5, text[start:end])


@st.composite
def tagged(draw: st.DrawFn) -> tuple[str, list[Span]]:
    """A text with any spans over it: overlapping, nested, equal, empty, in any order."""
    text = draw(st.text(alphabet="ab <&>\n\"'אé[]\x1b\x00\x9b", max_size=30))
    edges = draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))), max_size=6))
    labels = draw(st.lists(st.sampled_from(["QX", "QY", "QZ"]), min_size=len(edges), max_size=len(edges)))
    return text, [make_span(text, min(e), max(e), label) for e, label in zip(edges, labels, strict=True)]


def visible(text: str) -> str:
    return text.replace("\x1b", "␛").replace("\x00", "␀").replace("\x9b", "\ufffd")


class Page(HTMLParser):
    """Collects the text outside of labels, the labels, and checks that tags nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.labels: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "bdi" in self.open:
            self.labels.append(data)
        else:
            self.text += data


@given(tagged())
def test_the_page_shows_the_text_and_one_label_for_each_span(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    page = Page()
    page.feed(render_html(text, spans))
    page.close()
    assert page.open == []
    assert page.text == visible(text)
    assert sorted(page.labels) == sorted(span.label for span in spans if span.start < span.end)


@given(tagged())
def test_the_terminal_shows_the_text_and_one_label_for_each_span(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    shown = render_terminal(text, spans)
    plain = ANSI.sub("", shown)
    assert re.sub(r" Q[XYZ] ", "", plain) == visible(text)
    assert plain.count(" Q") == sum(span.start < span.end for span in spans)
    assert all(line.count("\x1b[0m") * 2 == line.count("\x1b") for line in shown.split("\n"))


def test_without_colours_spans_stand_in_brackets() -> None:
    text = "John Smith visited Paris."
    spans = [make_span(text, 0, 10, "PER"), make_span(text, 5, 10, "LAST"), make_span(text, 19, 24, "LOC")]
    assert render_terminal(text, spans, color=False) == "[John [Smith LAST] PER] visited [Paris LOC]."


def test_a_label_has_one_colour_and_others_have_others() -> None:
    text = "a b a"
    spans = [make_span(text, 0, 1, "PER"), make_span(text, 2, 3, "LOC"), make_span(text, 4, 5, "PER")]
    for pattern, shown in [(r"48;5;(\d+)m\w", render_terminal(text, spans)), (r"hsl\((\d+)", render_html(text, spans))]:
        first, second, third = re.findall(pattern, shown)
        assert first == third != second


def test_the_labels_of_a_text_differ_in_colour_while_there_are_colours() -> None:
    _colors.clear()
    labels = ["GIVEN_NAME", "SURNAME", "CITY", "STATE", "EMAIL", "PHONE", "URL", "TAX_ID", "STREET", "A", "B", "C", "D"]
    text = "x" * len(labels)
    spans = [make_span(text, at, at + 1, label) for at, label in enumerate(labels)]
    for pattern, shown in [(r"48;5;(\d+)mx", render_terminal(text, spans)), (r"hsl\((\d+)", render_html(text, spans))]:
        assert len(set(re.findall(pattern, shown))) == len(labels)
    more = [*spans, make_span(text, 0, 1, "ONE_TOO_MANY")]
    assert render_terminal(text, more)


def test_a_label_cannot_act_on_the_page_or_the_terminal_either() -> None:
    span = Span(0, 1, "<script>\x1b[2J", 0.5, "a")
    assert "<script>" not in render_html("a", [span])
    assert "\x1b[2J" not in render_terminal("a", [span])


def test_a_notebook_gets_html_and_print_gets_colours() -> None:
    view = Highlight("John", [Span(0, 4, "PER", 0.5, "John")])
    assert view._repr_html_() == render_html(view.text, view.spans)
    assert str(view) == render_terminal(view.text, view.spans)
