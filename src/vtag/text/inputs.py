"""What callers hand over as texts, as words or as prompts: anything that gives them one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import Any

from vtag.errors import InputError, error


def texts_or_words(texts: Any, words: Any) -> tuple[Iterable[Any], bool]:
    """The items of the one that was given, and whether these are lists of words. A single text is a list of one.

    Raises InputError for both and for neither, and for what is no collection of texts.
    """
    if (texts is None) == (words is None):
        raise error("input_or_words", input="texts")
    if words is None:
        return [texts] if isinstance(texts, str) else many(texts, "texts"), False
    if isinstance(words, str):
        raise error("words_string")
    items = many(words, "words")
    one = isinstance(words, Sized) and isinstance(next(iter(items), None), str)
    return [words] if one else items, True


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


def readable(items: Iterable[Any], indices: Iterable[int], *, words: bool) -> tuple[list[Any], dict[int, InputError]]:
    """The texts as a tokenizer takes them, empty ones where a text cannot be read; and by its position why it cannot.

    items: what should be strings, or lists of strings where `words` is true. indices: by which errors name them.
    """
    read = _words if words else check_text
    texts: list[Any] = []
    errors: dict[int, InputError] = {}
    for index, item in zip(indices, items, strict=False):
        try:
            texts.append(read(item, index))
        except InputError as refused:
            errors[len(texts)] = refused
            texts.append([] if words else "")
    return texts, errors


def check_text(text: Any, index: int) -> str:
    """The text; raises InputError for what is no string, and for half of a surrogate pair, which no tokenizer reads."""
    if not isinstance(text, str):
        raise error("not_a_string", index=index, type=type(text).__name__)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as cause:
            raise error("lone_surrogate", index=index, position=cause.start) from None
    return text


def _words(words: Any, index: int) -> list[str]:
    """The words of a text as a list, each of them read like a text."""
    split: list[Any] = [None] if isinstance(words, str) or not isinstance(words, Iterable) else list(words)
    if not all(isinstance(word, str) for word in split):
        raise error("not_words", index=index)
    check_text("".join(split), index)
    return split
