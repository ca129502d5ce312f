"""A text that comes in pieces -> passages to be tagged: segments, cut by the text alone, with what follows them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from vtag.decode.graphemes import clusters
from vtag.errors import error

# Characters of a segment: at least, at most where a word ends, and at most.
LEAST, MOST, LONGEST = 192, 512, 4096
# Characters after a segment that are tagged with it, and how many of them may be left out so that a word is not cut.
CONTEXT, SLACK = 128, 32
# The longest stretch after a segment in which what began before its end must have ended.
LONGEST_WAIT = 1 << 16

# The end of a line, or of a sentence. A space goes with the word after it, as in byte-level tokens.
_END = re.compile(
    r"""\r\n? | [\n\v\f\x85\u2028\u2029]
      | [.!?\u2026]["')\]\u2019\u201d\u00bb]*(?=[^\S\r\n\v\f\x85\u2028\u2029])
      | [\u3002\uff01\uff1f][\u2019\u201d\u300d\u300f\uff09]*""",
    re.VERBOSE,
)
_SPACE = re.compile(r"\s")
_LAST_SPACE = re.compile(r".*\s", re.DOTALL)
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Passage(NamedTuple):
    """What is tagged at once: the text from what is not final yet on, through a segment, and through its context.

    end: where the segment ends in `text`.
    """

    text: str
    end: int


class Segmenter:
    """Pieces of a text -> its passages, one after the other. Texts of any length take constant memory.

    A segment ends with the first line or sentence that ends after its 192nd character, else with the last word of 512,
    else with the first one after them, or after 4,096 characters, between two grapheme clusters; and only where 128
    characters follow. So it does not depend on where pieces were cut, and a text of less than 320 characters is one
    passage.

    unfinished(text, before): whether something that begins before a place in a text, and must be seen whole, may go on
    after its end; the context then grows.
    """

    def __init__(self, unfinished: Callable[[str, int], bool] = lambda text, before: False) -> None:
        self._unfinished = unfinished
        # What is known of the text and not final, and the pieces that follow.
        self._text = ""
        self._pieces: list[str] = []
        self._length = 0
        self._half = ""
        self._ended = False
        # Where the last segment ended, and the length at which the next one may have.
        self._cut = 0
        self._enough = LEAST + CONTEXT

    def feed(self, piece: str) -> None:
        """The next piece."""
        piece = self._half + piece
        self._half = ""
        if _SURROGATE.search(piece):
            # Two pieces may share a character that is two units in UTF-16.
            piece = piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
            if "\ud800" <= piece[-1] <= "\udbff":
                piece, self._half = piece[:-1], piece[-1]
        self._pieces.append(piece)
        self._length += len(piece)

    def end(self) -> None:
        """No piece follows."""
        half, self._half = self._half, ""
        self._pieces.append(half)
        self._length += len(half)
        self._ended = True

    def next(self) -> Passage | None:
        """The next passage; None if it is not complete. Raises InputError for what goes on for too long."""
        if self._length < self._enough and not self._ended:
            return None
        self._text, self._pieces = "".join([self._text, *self._pieces]), []
        self._enough = self._cut + LEAST + CONTEXT
        end = self._end()
        after = None if end is None else self._after(end)
        if end is None or after is None:
            if not self._ended or self._cut == self._length:
                return None
            end = after = self._length
        self._cut = end
        return Passage(self._text[:after], end)

    def drop(self, size: int) -> None:
        """So many characters are final."""
        self._text = self._text[size:]
        self._length -= size
        self._cut -= size
        self._enough = self._cut + LEAST + CONTEXT

    def _end(self) -> int | None:
        """The end of the next segment; None if it is not known, or the text ends soon after it."""
        text, start = self._text, self._cut
        last = len(text) - CONTEXT
        if last < start + LEAST:
            return None
        # What is searched goes beyond `last`, so that more text would not change what is found before it.
        found = _END.search(text, start + LEAST - 1, min(start + MOST, len(text)))
        if found is not None and found.end() <= last:
            return found.end()
        if last < start + MOST:
            return None
        words = _LAST_SPACE.match(text, start + LEAST, start + MOST) or _SPACE.search(
            text, start + MOST, min(start + LONGEST, last)
        )
        if words is not None:
            return words.end() - 1
        return None if last < start + LONGEST else start + _whole_clusters(text[start : start + LONGEST + CONTEXT])

    def _after(self, end: int) -> int | None:
        """Where the context after a segment ends; None if it is not known."""
        size = CONTEXT
        while size <= LONGEST_WAIT:
            reach = end + size
            if reach > len(self._text):
                self._enough = reach
                return len(self._text) if self._ended else None
            space = _LAST_SPACE.match(self._text, reach - SLACK, reach)
            after = max(len(space[0].rstrip()) + reach - SLACK, end) if space else reach
            if not self._unfinished(self._text[:after], end):
                return after
            size *= 2
        raise error("stream_unfinished", limit=LONGEST_WAIT)


def _whole_clusters(text: str) -> int:
    """The length of the grapheme clusters at the beginning of a text that end within LONGEST characters."""
    length = 0
    for cluster in clusters(text):
        if length + len(cluster) > LONGEST:
            break
        length += len(cluster)
    return length if length >= LEAST else LONGEST
