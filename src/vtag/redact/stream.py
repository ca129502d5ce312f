"""A text that comes in pieces, redacted: what is written is final, and depends on the text alone.

A part of the text is written once nothing that follows can change it: its segment has been tagged with its context, and
no span, placeholder or denied value goes on from it into the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from vtag.errors import error
from vtag.redact import policy as policies
from vtag.redact.passages import Passage, Segmenter
from vtag.redact.text import PolicySource, Redactor
from vtag.types import Redacted, Replacement, Span

# The longest span that is replaced as one; of a longer one, the parts.
LONGEST_SPAN = 4096
# Characters of a piece that are looked at together.
BLOCK = 1 << 16


class StreamRedactor:
    """One text on its way: `feed` and `end` give the passages to be tagged, `redact` the parts that are final.

    `redact` takes the passages in order, each with its spans.
    """

    def __init__(self, redactor: Redactor, context: str | None = None) -> None:
        """Raises SettingError for a policy that needs the whole text, or a context that is not given."""
        if redactor.policy.mapped:
            raise error("policy_stream", action=redactor.policy.mapped[0])
        self._redactor = redactor
        self.options = redactor.options
        (self._context,) = redactor.contexts(None if context is None else [context], 1)
        self._segmenter = Segmenter(redactor.unfinished)
        self.feed: Callable[[str], list[Passage]] = self._segmenter.feed
        self.end: Callable[[], list[Passage]] = self._segmenter.end
        # Of the old and the new text, what is written; and what is held of the old one.
        self._at = self._written = 0
        self._held = ""
        # What goes on into the next segment: spans and placeholders.
        self._spans: list[Span] = []
        self._own: list[tuple[int, int]] = []

    def redact(self, passage: Passage, spans: Iterable[Span]) -> Redacted:
        """The next part of the new text, which may be empty, for the spans of a passage.

        Offsets of replacements count from the start of the whole text, old and new.
        """
        first, end = passage.first, passage.end
        own = self._redactor.own(passage.text)
        spans = self._spans + [
            Span(first + span.start, first + span.end, span.label, span.score, span.text)
            for span in self._redactor.found(passage.text, spans, own)
        ]
        spans = [span for span in spans if span.start < end and span.end > self._at]
        own = sorted({*self._own, *((first + start, first + stop) for start, stop in own)})
        own = [(start, stop) for start, stop in own if start < end and stop > self._at]
        final = max(_begin_of_last(end, [*((span.start, span.end) for span in spans), *own]), self._at)
        if end - final > LONGEST_SPAN:
            final = end
        self._held += passage.segment
        made = self._replace(final, spans, own)
        self._spans = [span for span in spans if span.end > final]
        self._own = [(start, stop) for start, stop in own if stop > final]
        return made

    def _replace(self, final: int, found: Iterable[Span], own: Iterable[tuple[int, int]]) -> Redacted:
        """The part of the new text for the old one up to `final`."""
        at, written = self._at, self._written
        text, self._held = self._held[: final - at], self._held[final - at :]
        spans = []
        for span in found:
            start, end = max(span.start, at) - at, min(span.end, final) - at
            if start < end:
                spans.append(Span(start, end, span.label, span.score, text[start:end]))
        kept = [(max(start, at) - at, min(end, final) - at) for start, end in own if start < final]
        made = self._redactor.replace(text, spans, kept, self._context)
        assert made is not None  # without a mapping, which streams do not have, the first attempt succeeds
        self._at, self._written = final, written + len(made.text)
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
        for passages in passages_of(stream, pieces):
            for passage in passages:
                made = stream.redact(passage, tag(passage.text))
                if made.text or made.replacements:
                    yield made

    return parts()


def passages_of(stream: StreamRedactor, pieces: Iterable[str]) -> Iterator[list[Passage]]:
    """The passages that are complete with each piece, and with the last one."""
    for piece in pieces:
        if not isinstance(piece, str):
            raise error("bad_argument", name="pieces", value=type(piece).__name__, expected="strings")
        for start in range(0, len(piece), BLOCK):
            yield stream.feed(piece[start : start + BLOCK])
    yield stream.end()


def _begin_of_last(end: int, places: Iterable[tuple[int, int]]) -> int:
    """Where the places begin, as far as they overlap, that go on after `end`; `end` if there are none."""
    begin = reach = 0
    for start, stop in sorted(places):
        if start >= reach:
            begin = start
        reach = max(reach, stop)
    return begin if reach > end else end


def _moved(each: Replacement, old: int, new: int) -> Replacement:
    return Replacement(
        each.start + new, each.end + new, each.old_start + old, each.old_end + old, each.label, each.action
    )
