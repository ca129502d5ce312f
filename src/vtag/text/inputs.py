"""Validation of callers' texts, words and prompts: any iterable of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import Any

from vtag.errors import InputError, error


def validate_texts(texts: Any, words: Any) -> tuple[Iterable[Any], bool]:
    """The items of `texts` or `words`, whichever is set, and whether they are lists of words. A string becomes a list.

    Raises InputError if both or neither are set, and for values that are no collection of texts.
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


def many(value: Any, what: str) -> Iterable[Any]:
    """`value` if it is iterable and its items are texts; bytes and tables are refused."""
    if isinstance(value, bytes | bytearray | memoryview | Mapping) or hasattr(value, "columns"):
        raise error("not_texts", what=what, type=type(value).__name__)
    try:
        iter(value)
    except TypeError:  # None, a number, a 0-d array
        raise error("not_texts", what=what, type=type(value).__name__) from None
    items: Iterable[Any] = value
    return items


def readable(items: Iterable[Any], indices: Iterable[int], *, words: bool) -> tuple[list[Any], dict[int, InputError]]:
    """The texts as a tokenizer takes them, empty where a text is unreadable, and by its position the error of each such
    text.

    items: should be strings, or lists of strings where `words` is true. indices: the texts' numbers in error messages.
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
    """The text; raises InputError for non-strings and for lone surrogates, which no tokenizer reads."""
    if not isinstance(text, str):
        raise error("not_a_string", index=index, type=type(text).__name__)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as cause:
            raise error("lone_surrogate", index=index, position=cause.start) from None
    return text


def _words(words: Any, index: int) -> list[str]:
    """The words of a text as a list, each validated like a text."""
    split: list[Any] = [None] if isinstance(words, str) or not isinstance(words, Iterable) else list(words)
    if not all(isinstance(word, str) for word in split):
        raise error("not_words", index=index)
    check_text("".join(split), index)
    return split
