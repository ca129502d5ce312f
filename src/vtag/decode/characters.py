"""Character classes for finding words: white space, punctuation, letters, and scripts without spaces."""

from __future__ import annotations

import unicodedata

import numpy as np
import regex

# Classes from LETTER on form words.
_UNKNOWN, OTHER, SPACE, PUNCTUATION, UNSPACED, LETTER, AFFIXED = range(7)
# Scripts written without spaces between words: those of East Asia, those whose lines are broken by a dictionary
# (Unicode Standard Annex 14, class SA), and Tibetan, Javanese and Balinese.
_SCRIPTS = "Bopomofo Yi Nushu Tangut Thai Lao Khmer Myanmar Tai_Le New_Tai_Lue Tai_Tham Tai_Viet Ahom".split()
_SCRIPTS += "Tibetan Javanese Balinese".split()
# Matched by script extensions too: Unicode gives the long vowel mark of kana, ー, no script of its own.
_SHARED = ("Han", "Hiragana", "Katakana")
_WITHOUT_SPACES = regex.compile(
    "[" + "".join([rf"\p{{Script={name}}}" for name in _SCRIPTS] + [rf"\p{{scx={name}}}" for name in _SHARED]) + "]"
)
# Scripts that attach particles, conjunctions and articles to words.
_WITH_AFFIXES = regex.compile(r"[\p{Script=Hangul}\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}]")
_ZERO_WIDTH_SPACE = "\u200b"
# Filled on demand: classifying all of Unicode would take a third of a second.
_classes = np.zeros(0x110000, np.uint8)


def classify(codes: np.ndarray) -> np.ndarray:
    """uint8 [characters + 1], the class of each code point; the last entry stands for the end.

    LETTER: letters, digits, marks, and invisible characters (soft hyphens, joiners). AFFIXED: the same in scripts that
    attach particles and clitics to words: the person in 김철수가, the city in وبغداد.
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
