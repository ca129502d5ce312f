"""A text that comes in pieces, redacted: what is written is final, and depends on the text alone.

A part of the text is final once its segment has been tagged, together with what follows it, and no span, placeholder or
denied value goes on from it into the next segment. The next passage begins where the first of those does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from vtag.errors import error
from vtag.redact import policy as policies
from vtag.redact.passages import Passage, Segmenter
from vtag.redact.policy import PolicySource
from vtag.redact.text import Redactor
from vtag.types import Redacted, Replacement, Span

# The longest span that is replaced as one; of a longer one, the parts.
LONGEST_SPAN = 4096
# Characters of a piece that are looked at together.
BLOCK = 1 << 14


class StreamRedactor:
    """One text on its way: after `feed` or `end`, `next` gives what is to be tagged as long as there is something, and
    `redact` takes its spans and gives the part that is final by then.
    """

    def __init__(self, redactor: Redactor, context: str | None = None) -> None:
        """Raises SettingError for a policy that needs the whole text, or a context that is not given."""
        if redactor.policy.mapped:
            raise error("policy_stream", action=redactor.policy.mapped[0])
        self._redactor = redactor
        self.options = redactor.options
        (self._context,) = redactor.contexts(None if context is None else [context], 1)
        self._segmenter = Segmenter(redactor.unfinished)
        self.feed = self._segmenter.feed
        self.end = self._segmenter.end
        self._passage = Passage("", 0)
        # How much of the old text is final, and of the new one, and spans that go on after that.
        self.at = self._written = 0
        self._spans: list[Span] = []

    def next(self) -> str | None:
        """The passage to be tagged now; None if the text must go on first. Raises InputError."""
        passage = self._segmenter.next()
        if passage is not None:
            self._passage = passage
        return passage and passage.text

    def redact(self, spans: Iterable[Span]) -> Redacted:
        """The next part of the new text, which may be empty, for the spans of the passage that `next` gave.

        Offsets of replacements count from the start of the whole text, old and new.
        """
        text, end = self._passage
        spans = list(spans)
        own = self._redactor.own(text)
        found = [*self._spans, *self._redactor.found(text, spans, own)]
        # Spans that are allowed count too: of their second half alone, that would not be known.
        final = _begin_of_last(end, [*((span.start, span.end) for span in (*found, *spans)), *own])
        if end - final > LONGEST_SPAN:
            final = end
        before = [_part(span, text, 0, final) for span in found if span.start < final]
        kept = [(start, min(stop, final)) for start, stop in own if start < final]
        made = self._redactor.replace(text[:final], before, kept, self._context)
        assert made is not None  # without a mapping, which streams do not have, the first attempt succeeds
        # The next passage begins here: what goes on is found again, or stays as it was found.
        self._spans = [_part(span, text, final, len(text)) for span in found if span.start < end and span.end > final]
        self._segmenter.drop(final)
        at, written = self.at, self._written
        self.at, self._written = at + final, written + len(made.text)
        return Redacted(made.text, [_moved(each, at, written) for each in made.replacements])


def redact_stream(
    pieces: Iterable[str],
    tag: Callable[[str], Iterable[Span]],
    policy: PolicySource = None,
    *,
    labels: Iterable[str] = (),
    context: str | None = None,
) -> Iterator[Redacted]:
    """A text that comes in pieces without the values of its spans, whatever finds them; as `LLM.redact_stream` does it.

    Args:
        pieces: of the text, of any size.
        tag: the spans of a text, which is a part of the whole one.
        policy: as in `LLM.redact`. Its labels need not be those of the spans.
        labels: of spans; their placeholders, where the text has them already, stay as they are.
        context: for a policy that shifts dates by context: dates of equal contexts are shifted alike.

    Returns:
        The parts of the new text, each as soon as it is final. Joined, they do not depend on where the pieces were cut.

    Raises:
        SettingError: for a policy that cannot be meant, or needs the whole text (number, fake), and without its key.
        InputError: for a placeholder or denied value that goes on for 65,536 characters; nothing of it is given out.
    """
    stream = StreamRedactor(Redactor(policies.load(policy), labels), context)

    def parts() -> Iterator[Redacted]:
        for _ in fed(stream, pieces):
            while (text := stream.next()) is not None:
                made = stream.redact(tag(text))
                if made.text or made.replacements:
                    yield made

    return parts()


def fed(stream: StreamRedactor, pieces: Iterable[str]) -> Iterator[None]:
    """Feeds the pieces, and then the end; yields where there may be something to tag."""
    for piece in pieces:
        if not isinstance(piece, str):
            raise error("bad_argument", name="pieces", value=type(piece).__name__, expected="strings")
        for start in range(0, len(piece), BLOCK):
            stream.feed(piece[start : start + BLOCK])
            yield
    stream.end()
    yield


def _begin_of_last(end: int, places: Iterable[tuple[int, int]]) -> int:
    """Where the places begin, as far as they overlap, that go on after `end`; `end` if there are none."""
    begin = reach = 0
    for start, stop in sorted(places):
        if start >= end:
            break
        if start >= reach:
            begin = start
        reach = max(reach, stop)
    return begin if reach > end else end


def _part(span: Span, text: str, first: int, last: int) -> Span:
    """A span as far as it is between two places, counted from the first."""
    start, end = max(span.start, first), min(span.end, last)
    return Span(start - first, end - first, span.label, span.score, text[start:end])


def _moved(each: Replacement, old: int, new: int) -> Replacement:
    return Replacement(
        each.start + new, each.end + new, each.old_start + old, each.old_end + old, each.label, each.action
    )
