"""The views show every character of the text, label every span, and let no text act on the terminal or the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from vtag.types import Span
from vtag.view import PALETTE, _places, colors, render_html, render_page, render_terminal, rgb

MARK = r"<mark [^>]*background:(#\w+)"
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
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "b" in self.open:
            self.labels.append(data.strip())
        elif "style" not in self.open:
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
    for pattern, shown in [(r"48;5;(\d+)m\w", render_terminal(text, spans)), (MARK, render_html(text, spans))]:
        first, second, third = re.findall(pattern, shown)
        assert first == third != second


def test_terminal_and_page_have_the_same_colours_given_out_in_the_order_of_the_models_types() -> None:
    _places.clear()
    types = [f"TYPE_{at}" for at in range(len(PALETTE))]
    given = colors(types)
    assert list(given) == types
    assert len(set(given.values())) == len(PALETTE) == len(set(PALETTE))
    text = "x" * len(types)
    spans = [make_span(text, at, at + 1, kind) for at, kind in reversed(list(enumerate(types)))]
    assert re.findall(MARK, render_html(text, spans)) == list(given.values())
    assert [rgb(int(color)) for color in re.findall(r"48;5;(\d+)mx", render_terminal(text, spans))] == list(
        given.values()
    )
    assert set(colors(["ONE_TOO_MANY"]).values()) < set(given.values())


def test_a_label_with_a_prefix_has_its_types_colour() -> None:
    assert len(set(colors(["PER", "B-PER", "I-PER", "S-PER", "B_PER"]).values())) == 1


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_can_be_read_on_every_colour() -> None:
    for color in PALETTE:
        assert (luminance(rgb(color)) + 0.05) / (luminance("#111111") + 0.05) >= 7  # WCAG's AAA


@given(tagged())
def test_a_page_of_texts_shows_each_and_counts_the_labels(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    shown = [span for span in spans if span.start < span.end]
    page = Page()
    page.feed(render_page([text, "A & B"], [spans, []], title="<i>"))
    page.close()
    assert page.open == []
    assert visible(text) in page.text
    assert "A & B" in page.text
    assert sorted(page.labels) == sorted(span.label for span in shown)
    for label in {span.label for span in spans}:
        assert f"{label} {sum(span.label == label for span in spans)}\n" in page.text


def test_a_label_cannot_act_on_the_page_or_the_terminal_either() -> None:
    span = Span(0, 1, "<script>\x1b[2J", 0.5, "a")
    assert "<script>" not in render_html("a", [span])
    assert "\x1b[2J" not in render_terminal("a", [span])
