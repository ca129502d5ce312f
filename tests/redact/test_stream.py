"""Redaction of a text that comes in pieces: its output is that of the whole text, wherever it was cut."""

from __future__ import annotations

import random
import re
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.redact.given import GOLD, KEY, LABELS, ODD, OTHER_KEY, OWN, VALUES, policies, spanned
from tests.refusals import refused
from vtag import Redacted, Span, VtagError, redact_stream, restore
from vtag.redact import policy as loading
from vtag.redact.keys import Key
from vtag.redact.passages import CONTEXT, LEAST, LONGEST, MOST, SLACK, Passage, Segmenter
from vtag.redact.placeholders import Tokens
from vtag.redact.stream import LONGEST_SPAN, StreamRedactor, fed
from vtag.redact.text import Redactor
from vtag.redact.words import Values

# What a stream may do: all but number and fake.
STREAMED: list[dict[str, Any]] = [
    {"action": name} for name in ("keep", "remove", "label", "hash", "token", "mask", "shift", "year")
]
# Tokens of a value of 600 characters, under this key and another.
LONG_TOKEN, LONG_FOREIGN = (Tokens(Key(key.encode())).seal("NAME", "Ann Lee " * 75) for key in (KEY, OTHER_KEY))
FOUND = re.compile(
    r"(?P<EMAIL>[\w.+-]+@[\w-]+(?:\.\w+)+)|(?P<NAME>\b[A-Z]\w*(?:\s{1,3}[A-Z]\w*){0,4})|(?P<PHONE>\+?\d[\d -]{4,30}\d)"
    r"|(?P<DATE>\d{4}-\d\d-\d\d)|(?P<ID>東+)"
)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)


def tag(text: str) -> list[Span]:
    """What a model might find, from the words alone: e-mail addresses, names over line ends, numbers; some overlap."""
    spans = []
    for match in FOUND.finditer(text):
        spans.append(Span(*match.span(), match.lastgroup or "", _score(match[0]), match[0]))
    for match in re.finditer(r"\w+", text):
        if zlib.crc32(match[0].encode("utf-8", "surrogatepass")) % 7 == 0:
            spans.append(Span(*match.span(), "first name", _score(match[0]), match[0]))
    return spans


def _score(value: str) -> float:
    return zlib.crc32(value.encode("utf-8", "surrogatepass")) % 101 / 100


def whole(text: str, policy: Any = None) -> Redacted:
    return Redactor(loading.load(policy), LABELS).redact(text, tag(text))


def joined(parts: list[Redacted]) -> Redacted:
    return Redacted("".join(part.text for part in parts), [each for part in parts for each in part.replacements])


def streamed(pieces: list[str], policy: Any = None) -> Redacted:
    """The parts together. As they are only ever added to, what was written at any moment is a beginning of it."""
    return joined(list(redact_stream(pieces, tag, policy, labels=LABELS)))


def cuttings(text: str, chance: random.Random, *, most: int) -> Iterator[list[str]]:
    """A text in 2, 4, and more pieces, some of them empty."""
    for count in (1, 3, most):
        edges = sorted(chance.choices(range(len(text) + 1), k=count))
        yield [text[start:end] for start, end in pairwise([0, *edges, len(text)])]


def document(chance: random.Random, parts: int) -> str:
    """Prose with values, placeholders, odd characters, and long stretches in which there is no good place to cut."""
    words = ["Then he said so", "it was late.", "Dr. ", "ok? ", "x" * 300, "東京。" * 60, "\n\n", " " * 90]
    kinds = [VALUES, VALUES, OWN, [*OWN, LONG_TOKEN, LONG_FOREIGN], ODD, words]
    return "".join(chance.choice(chance.choice(kinds)) + chance.choice([" ", " ", " ", "", "\n"]) for _ in range(parts))


def prose(chance: random.Random, sentences: int) -> str:
    """Gold texts, one after the other."""
    return "".join(chance.choice(GOLD)["text"] + chance.choice([" ", "\n", " ", "\r\n"]) for _ in range(sentences))


def test_the_output_is_that_of_the_whole_text_wherever_a_short_text_is_cut() -> None:
    chance = random.Random(51)
    texts = [row["text"][:300] for row in GOLD[:180]] + [document(chance, 20)[:300] for _ in range(20)]
    for text in texts:
        expected = whole(text)
        assert streamed(list(text)) == expected
        for at in range(len(text) + 1):
            assert streamed([text[:at], text[at:]]) == expected


def check_cuttings(make: Callable[[random.Random, int], str], chance: random.Random) -> None:
    """A text that is cut anywhere, in three ways, gives what the whole one does."""
    text = make(chance, chance.randint(1, 25))
    policy = {
        "default": chance.choice(STREAMED),
        "labels": {"NAME": chance.choice(STREAMED)},
        "deny": ["said so it", "Lee", "it was late. Dr"],
        "allow": ["Ann Lee"],
    }
    expected = whole(text, policy)
    assert streamed([text], policy) == expected
    for pieces in cuttings(text, chance, most=len(text) // 2):
        assert streamed(pieces, policy) == expected


# 5,000 each take 95 s.
@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize("make", [prose, document])
def test_the_output_is_that_of_the_whole_text_for_long_texts_cut_anywhere(make: Any, count: int) -> None:
    chance = random.Random(count)
    for _ in range(count):
        check_cuttings(make, chance)


def of_given(text: str, spans: list[Span], pieces: list[str], policy: Any) -> Redacted:
    """The parts together, for spans that are known beforehand: of each passage those in it, as far as they are."""
    stream = StreamRedactor(Redactor(loading.load(policy), LABELS))
    parts = []
    for _ in fed(stream, pieces):
        while (passage := stream.next()) is not None:
            first = stream.at
            assert text.startswith(passage, first)
            inside = []
            for span in spans:
                start, end = max(span.start - first, 0), min(span.end - first, len(passage))
                if start < end:
                    inside.append(Span(start, end, span.label, span.score, passage[start:end]))
            parts.append(stream.redact(inside))
    return joined(parts)


@given(spanned(), policies(STREAMED), st.integers(1, 12), st.randoms(use_true_random=False))
def test_spans_anywhere_are_replaced_as_in_the_whole_text(
    case: tuple[str, list[Span]], policy: dict[str, Any], times: int, chance: random.Random
) -> None:
    """Overlapping, nested, of the whole text; over the ends of lines and segments."""
    part, found = case
    text, size = part * times, len(part)
    places = [(each.start + n * size, each.end + n * size, each) for each in found for n in range(times)]
    spans = [replace(each, start=start, end=end) for start, end, each in places]
    if times > 1 and spans:
        start, end = size // 2, min(len(text), size + 900)
        spans.append(Span(start, end, "NAME", 0.5, text[start:end]))
    expected = Redactor(loading.load(policy), LABELS).redact(text, spans)
    for pieces in cuttings(text, chance, most=9):
        assert of_given(text, spans, pieces, policy) == expected


def test_tokens_lead_back_whatever_the_pieces() -> None:
    chance = random.Random(51)
    for _ in range(30):
        text = prose(chance, 12)
        for pieces in cuttings(text, chance, most=50):
            assert restore(streamed(pieces, {"default": "token"}).text) == text


def test_of_a_span_without_end_no_character_is_written() -> None:
    def all_secrets(text: str) -> list[Span]:
        start, end = text.find("secret"), text.rfind("secret") + 6
        return [Span(start, end, "NAME", 0.9, text[start:end])] if start >= 0 else []

    text = "See " + "secret " * 4000 + "end."
    parts = [part.text for part in redact_stream([text], all_secrets)]
    assert re.fullmatch(r"See (\[NAME\]){5,9} end\.", "".join(parts))
    assert len(parts) > len(text) // LONGEST_SPAN - 2


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("See Project" + " " * 70_000 + "X", {"deny": ["Project X"]}),
        ("See [EMAIL:" + "a" * 70_000 + "]", {"default": "token"}),
    ],
)
def test_what_goes_on_for_too_long_is_an_error_and_not_written(text: str, policy: dict[str, Any]) -> None:
    written: list[str] = []

    def write() -> None:
        written.extend(part.text for part in redact_stream([text, *["more "] * 100], tag, policy))

    refused("stream_unfinished", "65,536 characters", write)
    assert not written


LONG_WORD = "z" * 700 + "e\u0301" + "z" * 90
DENIED = ["Project X", "Project Xavier Two", "Zoe\u0301", "東京 都", LONG_WORD, f"{LONG_WORD} {LONG_WORD}"]
FAR = " " * 600


@pytest.mark.parametrize(
    "value",
    [
        "Project  X",
        f"project\n{FAR}x",
        f"Project Xavier{FAR}Two",
        "Zoé",
        "Zoe\u0301",
        f"東京{FAR}都",
        LONG_WORD,
        f"{LONG_WORD}{FAR}{LONG_WORD}",
    ],
)
def test_values_that_are_denied_may_be_cut_anywhere(value: str) -> None:
    """Also where a value's words are far apart, where it begins another one, and where only an accent is missing."""
    for before in range(90, 140, 2):
        text = f"{'word ' * (before // 5)}{'w' * (before % 5)} {value}. {'And so on and on. ' * 30}"
        expected = Redactor(loading.load({"deny": DENIED}), []).redact(text, [])
        assert len(expected.replacements) == 1
        assert joined(list(redact_stream([*text], lambda part: [], {"deny": DENIED}))) == expected


def test_a_value_that_may_go_on_is_waited_for() -> None:
    values = Values({"ID": DENIED})
    for value in DENIED:
        for end in range(1, len(value)):
            assert values.unfinished(f"See {value[:end]}", 5)
            assert not values.unfinished(f"See {value[:end]}", 4)
    assert not values.unfinished("See Project Y", 5)
    assert not values.unfinished("See Project X Y Z W", 5)


@given(st.lists(st.sampled_from([*OWN, *VALUES, *ODD, "。", "? ", ".\r\n", "w" * 300]), max_size=60), st.data())
def test_passages_do_not_depend_on_the_pieces(parts: list[str], data: Any) -> None:
    text = "".join(parts)
    edges = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    whole = passages_in([text])
    assert passages_in([text[start:end] for start, end in pairwise([0, *edges, len(text)])]) == whole
    assert passages_in([*text]) == whole


def passages_in(pieces: list[str]) -> list[Passage]:
    """The passages of a text of which all is final that has been tagged."""
    segmenter, found = Segmenter(), []
    for piece in [*pieces, None]:
        if piece is None:
            segmenter.end()
        else:
            segmenter.feed(piece)
        while passage := segmenter.next():
            found.append(passage)
            segmenter.drop(passage.end)
    return found


def test_a_character_may_come_as_two_surrogates() -> None:
    for pieces in (["a\ud83d", "\ude00b"], ["a\ud83d\ude00b"], ["a\ud83d", "", "\ude00", "b"]):
        assert passages_in(pieces) == [("a😀b", 3)]
    assert passages_in(["a\ud83d"]) == [("a\ud83d", 2)]


def test_a_segment_ends_with_a_line_or_a_sentence_and_has_context() -> None:
    text = prose(random.Random(51), 60)
    *passages, last = passages_in([text])
    assert "".join(passage.text[: passage.end] for passage in (*passages, last)) == text
    assert last.end == len(last.text)
    for passage in passages:
        assert LEAST <= passage.end <= MOST
        assert re.search(r"([.?!][\"')]*|\n)$", passage.text[: passage.end])
        assert CONTEXT - SLACK < len(passage.text) - passage.end <= CONTEXT
        assert not passage.text[-1].isspace()


def test_where_no_sentence_ends_a_word_does_and_where_no_word_ends_a_cluster() -> None:
    for text, size in (("word " * 300, 509), ("w" * 3000 + " word" * 99, 3000), ("e\u0301" * 3000, 4096)):
        assert passages_in([text])[0].end == size
    assert passages_in(["e" + "\u0301" * 5000])[0].end == LONGEST


def test_a_text_that_is_not_longer_than_a_segment_and_its_context_is_one_passage() -> None:
    for text in ("a. " * 106, "a" * (LEAST + CONTEXT - 1), "a" * 320):
        assert passages_in([text]) == [(text, len(text))]
    assert passages_in([""]) == []


def test_policies_that_need_the_whole_text_are_refused_before_anything_is_read() -> None:
    pieces = iter(["Ann"])
    for action in ("number", "fake"):
        for policy in ({"default": action}, {"labels": {"NAME": action}}):
            refused("policy_stream", f"{action} needs the whole text", partial(redact_stream, pieces, tag, policy))
    shifted = {"default": "shift", "context": "id"}
    refused("no_context_field", "pass contexts", lambda: redact_stream(pieces, tag, shifted))
    assert next(pieces) == "Ann"
    one, other = (list(redact_stream(["1990-03-01"], tag, shifted, context=context)) for context in "78")
    assert one == list(redact_stream(["1990-0", "3-01"], tag, shifted, context="7")) != other
    refused("bad_argument", "strings", lambda: list(redact_stream([b"Ann"], tag)))  # type: ignore[list-item]


def test_nothing_is_given_of_a_segment_that_cannot_be_tagged() -> None:
    def fails_at_ann(text: str) -> list[Span]:
        if "Ann" in text:
            raise VtagError("cannot be tagged")
        return []

    written: list[str] = []
    with pytest.raises(VtagError):
        written.extend(part.text for part in redact_stream(["Well. " * 100, "Ann ", "Well. " * 100], fails_at_ann))
    assert set("".join(written).split()) <= {"Well."}


def test_memory_does_not_grow_with_the_text() -> None:
    text = prose(random.Random(51), 100)
    tracemalloc.start()
    for _ in redact_stream((text for _ in range(30)), tag):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150_000 < 15 * len(text)
