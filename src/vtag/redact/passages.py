"""A text that comes in pieces -> passages to be tagged: segments with their context, cut by the text alone."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from vtag.decode.graphemes import clusters
from vtag.errors import error

# Characters of a segment, at least and at most; the last one also has what would be the context after it.
LEAST, MOST = 128, 512
# Characters before and after a segment that are tagged with it, at least.
CONTEXT = 256
# The longest stretch that may go on after a segment before it is known where it ends.
LONGEST_WAIT = 1 << 16

# The end of a line, or of a sentence.
_END = re.compile(
    r"""\r\n? | [\n\v\f\x85\u2028\u2029]
      | [.!?\u2026]["')\]\u2019\u201d\u00bb]*\s
      | [\u3002\uff01\uff1f][\u2019\u201d\u300d\u300f\uff09]*""",
    re.VERBOSE,
)
_LAST_SPACE = re.compile(r".*\s", re.DOTALL)
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Passage(NamedTuple):
    """A segment of a text and its context. Offsets count the text's code points, end exclusive.

    start, end: the segment. first: where `text` begins. text: what is tagged, the segment with its context.
    """

    start: int
    end: int
    first: int
    text: str

    @property
    def segment(self) -> str:
        """The text of the segment."""
        return self.text[self.start - self.first : self.end - self.first]


class Segmenter:
    """Pieces of a text -> its passages. These depend on the text alone, not on where the pieces were cut.

    A segment ends at the first end of a line or sentence after its 128th character, else after the last word, or
    grapheme cluster, of 512; and only where 256 characters follow. So a text of less than 384 characters is one
    passage. Texts of any length take constant memory.

    unfinished(text, before): whether something that begins before a place in a text, and must be seen whole, may go on
    after its end; the context then grows.
    """

    def __init__(self, unfinished: Callable[[str, int], bool] = lambda text, before: False) -> None:
        self._unfinished = unfinished
        # What is known of the text, from `_first` on, and pieces that follow.
        self._text, self._first = "", 0
        self._pieces: list[str] = []
        self._length = 0
        self._half = ""
        # Ends of segments from the context before the next one on.
        self._cuts = deque([0])
        # The length at which the next segment may be complete.
        self._enough = LEAST + CONTEXT

    def feed(self, piece: str) -> list[Passage]:
        """The passages that are complete with this piece. Raises InputError for what goes on for too long."""
        piece = self._half + piece
        self._half = ""
        if _SURROGATE.search(piece):
            # Two pieces may share a character that is two units in UTF-16.
            piece = piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
            if "\ud800" <= piece[-1] <= "\udbff":
                piece, self._half = piece[:-1], piece[-1]
        self._pieces.append(piece)
        self._length += len(piece)
        if self._length < self._enough:
            return []
        self._join()
        found = []
        while passage := self._next(ended=False):
            found.append(passage)
        self._forget()
        return found

    def end(self) -> list[Passage]:
        """The passages that are complete as the text has ended."""
        self._pieces.append(self._half)
        self._length += len(self._half)
        self._half = ""
        self._join()
        found = []
        while passage := self._next(ended=True):
            found.append(passage)
        start = self._cuts[-1]
        if start < self._first + self._length:
            first = self._cuts[0]
            found.append(Passage(start, self._first + self._length, first, self._text[first - self._first :]))
        return found

    def _join(self) -> None:
        self._text = "".join([self._text, *self._pieces])
        self._pieces = []

    def _forget(self) -> None:
        self._text = self._text[self._cuts[0] - self._first :]
        self._first, self._length = self._cuts[0], len(self._text)

    def _next(self, *, ended: bool) -> Passage | None:
        """The next passage but the last; None if it is not complete."""
        start, first = self._cuts[-1] - self._first, self._cuts[0] - self._first
        self._enough = start + LEAST + CONTEXT - first
        end = self._end(start)
        if end is None:
            return None
        after = self._after(first, end, ended=ended)
        if after is None:
            return None
        self._cuts.append(self._first + end)
        while len(self._cuts) > 1 and self._cuts[1] <= self._cuts[-1] - CONTEXT:
            self._cuts.popleft()
        return Passage(self._first + start, self._first + end, self._first + first, self._text[first:after])

    def _end(self, start: int) -> int | None:
        """The end of the segment that starts here; None if it is not known, or the text ends soon after it."""
        text = self._text
        last = len(text) - CONTEXT
        if last < start + LEAST:
            return None
        # What is searched goes beyond `last`, so that more text would not change what is found before it.
        found = _END.search(text, start + LEAST - 1, min(start + MOST, len(text)))
        if found is not None and found.end() <= last:
            return found.end()
        if last < start + MOST:
            return None
        words = _LAST_SPACE.match(text, start + LEAST, start + MOST)
        return words.end() if words else start + _whole_clusters(text[start : start + MOST + CONTEXT])

    def _after(self, first: int, end: int, *, ended: bool) -> int | None:
        """Where the context after a segment ends; None if it is not known."""
        text = self._text
        size = CONTEXT
        while size <= LONGEST_WAIT:
            reach = end + size
            if reach > len(text):
                self._enough = reach - first
                return len(text) if ended else None
            space = _LAST_SPACE.match(text, reach - CONTEXT // 2, reach)
            after = space.end() if space else reach
            if not self._unfinished(text[first:after], end - first):
                return after
            size *= 2
        raise error("stream_unfinished", limit=LONGEST_WAIT)


def _whole_clusters(text: str) -> int:
    """The length of the grapheme clusters at the beginning of a text that end within MOST characters."""
    length = 0
    for cluster in clusters(text):
        if length + len(cluster) > MOST:
            break
        length += len(cluster)
    return length if length >= LEAST else MOST
