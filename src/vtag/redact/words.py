"""Words of a text, for values that are looked for in it: whole ones, in one pass, however many there are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

# Scripts whose words are not set apart by spaces: Thai, Lao, Burmese, Khmer, Chinese, Japanese, and Korean names.
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
# A letter, digit or underscore of another script, with its accents.
_LETTER = rf"[^\W{_UNSPACED}]"
_ACCENTS = r"[\u0300-\u036f]*"
LETTER = re.compile(_LETTER)
# What a value may begin with: a word, or a sign.
UNIT = rf"(?:{_LETTER}{_ACCENTS})+|\S"
_UNITS = re.compile(UNIT)


def is_letter(text: str, at: int) -> bool:
    """Whether at this place stands a letter or digit of a script whose words are set apart."""
    return 0 <= at < len(text) and LETTER.match(text[at]) is not None


def folded(value: str) -> str:
    """One spelling of the same characters, in any case: composed (NFC), with single spaces."""
    return " ".join(unicodedata.normalize("NFC", value).split()).casefold()


class Values:
    """Values that are found in texts in any case, with any white space between their words.

    of_label: label -> its values.
    """

    def __init__(self, of_label: Mapping[str, Iterable[str]]) -> None:
        self._by_first: dict[str, list[tuple[list[str], str]]] = {}
        for label, values in of_label.items():
            for value in values:
                words = [folded(word) for word in _UNITS.findall(value)]
                self._by_first.setdefault(words[0], []).append((words, label))
        for found in self._by_first.values():
            found.sort(key=lambda each: -len(each[0]))
        self._longest = max((len(words) for found in self._by_first.values() for words, _ in found), default=0)

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Start, end and label of each value in a text, the longest first where several begin at one place."""
        if not self._by_first:
            return
        places = [match.span() for match in _UNITS.finditer(text)]
        words = [folded(text[start:end]) for start, end in places]
        for at, word in enumerate(words):
            for value, label in self._by_first.get(word, ()):
                if words[at : at + len(value)] == value:
                    yield places[at][0], places[at + len(value) - 1][1], label
                    break

    def unfinished(self, text: str, before: int) -> bool:
        """Whether a value that begins before a place may go on after the end of the text."""
        if not self._by_first:
            return False
        places = [match.span() for match in _UNITS.finditer(text)][-self._longest :]
        if not places:
            return False
        words = [folded(text[start:end]) for start, end in places]
        *_, last = words
        for at, (start, _) in enumerate(places):
            if start >= before:
                break
            rest = words[at:]
            firsts = [first for first in self._by_first if _begins(first, last)] if len(rest) == 1 else rest[:1]
            for value, _ in chain.from_iterable(self._by_first.get(first, ()) for first in firsts):
                known = value[: len(rest)]
                if known[:-1] == rest[:-1] and len(known) == len(rest) and _begins(known[-1], last):
                    return True
        return False


def _begins(word: str, part: str) -> bool:
    """Whether a word begins with a part of it, the last character of which may have an accent still to come."""
    return unicodedata.normalize("NFD", word).startswith(unicodedata.normalize("NFD", part))
