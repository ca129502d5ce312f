"""What callers hand over as texts, as words or as prompts: anything that gives them one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import Any, Literal

from vtag.errors import error


def texts_or_words(texts: Any, words: Any) -> tuple[Literal["texts", "words"], Iterable[Any]]:
    """Which of the two was given, and its items: one text is a list of one, so is one text's list of words.

    Raises InputError for both and for neither, and for what is no collection of texts.
    """
    if (texts is None) == (words is None):
        raise error("input_or_words", input="texts")
    if words is None:
        return "texts", [texts] if isinstance(texts, str) else many(texts, "texts")
    if isinstance(words, str):
        raise error("words_string")
    items = many(words, "words")
    one = isinstance(words, Sized) and isinstance(next(iter(items), None), str)
    return "words", [words] if one else items


def many(given: Any, what: str) -> Iterable[Any]:
    """`given`, if it can be gone through and its items are meant: of bytes and tables they are not."""
    if isinstance(given, bytes | bytearray | memoryview | Mapping) or hasattr(given, "columns"):
        raise error("not_texts", what=what, type=type(given).__name__)
    try:
        iter(given)
    except TypeError:  # None, a number, an array of no dimension
        raise error("not_texts", what=what, type=type(given).__name__) from None
    items: Iterable[Any] = given
    return items
