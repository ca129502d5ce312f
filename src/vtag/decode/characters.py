"""What a character is where words are looked for: white space, punctuation, a letter, or of a script without spaces."""

from __future__ import annotations

import unicodedata

import numpy as np
import regex

# From LETTER on: what words are made of.
_UNKNOWN, OTHER, SPACE, PUNCTUATION, UNSPACED, LETTER, AFFIXED = range(7)
# Scripts in which words stand side by side without spaces: those of East Asia, those whose lines are broken by a
# dictionary (Unicode Standard Annex 14, class SA), and Tibetan, Javanese and Balinese.
_SCRIPTS = "Bopomofo Yi Nushu Tangut Thai Lao Khmer Myanmar Tai_Le New_Tai_Lue Tai_Tham Tai_Viet Ahom".split()
_SCRIPTS += "Tibetan Javanese Balinese".split()
# Their extensions too: Unicode holds the long mark of kana, ー, for a sign of no script.
_SHARED = ("Han", "Hiragana", "Katakana")
_WITHOUT_SPACES = regex.compile(
    "[" + "".join([rf"\p{{Script={name}}}" for name in _SCRIPTS] + [rf"\p{{scx={name}}}" for name in _SHARED]) + "]"
)
# Scripts that write particles, conjunctions and articles onto words.
_WITH_AFFIXES = regex.compile(r"[\p{Script=Hangul}\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}]")
_ZERO_WIDTH_SPACE = "\u200b"
# Filled as characters are met: the whole of Unicode would take a third of a second.
_classes = np.zeros(0x110000, np.uint8)


def classify(codes: np.ndarray) -> np.ndarray:
    """uint8 [characters + 1], the class of each code point; the last stands for the end.

    LETTER is what words are made of: letters, digits, marks, and what is not seen (soft hyphens, joiners). AFFIXED is
    the same in scripts that write particles and clitics onto words: the person in 김철수가, the city in وبغداد.
    """
    classes = _classes[codes]
    if not classes.all():
        for code in np.unique(codes[classes == _UNKNOWN]).tolist():
            _classes[code] = _class(chr(code))
        classes = _classes[codes]
    return np.append(classes, OTHER)


def _class(character: str) -> int:
    category = unicodedata.category(character)
    if character.isspace():
        return SPACE
    if category.startswith("P"):
        return PUNCTUATION
    if _WITHOUT_SPACES.match(character):
        return UNSPACED
    if category[0] in "LNM" or (category == "Cf" and character != _ZERO_WIDTH_SPACE):
        return AFFIXED if _WITH_AFFIXES.match(character) else LETTER
    return OTHER
