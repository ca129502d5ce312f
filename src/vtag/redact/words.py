"""Words of a text, for values that are looked for in it: whole ones, in one pass, however many there are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

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
