"""Plain data: spans, encodings, windows and answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np

from vtag.errors import InputError

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Span:
    """One labelled stretch of a text. Spans sort by position.

    Attributes:
        start: offset of the first character, in Unicode code points of the caller's string.
        end: offset behind the last one.
        label: the type, as the model or its label map names it.
        score: a probability in [0, 1].
        text: always `original[start:end]`.
        word: the tokenizer's own re-spaced spelling; filled by Hugging Face's strategies only.
        index: position of the token; filled by Hugging Face's "none" only.
        words: half-open range of word indices, for input that was already split into words.
    """

    start: int
    end: int
    label: str
    score: float
    text: str
    word: str | None = None
    index: int | None = None
    words: tuple[int, int] | None = None

    def __lt__(self, other: Span) -> bool:
        """Order by position in the text."""
        return (self.start, self.end, self.label, self.score) < (other.start, other.end, other.label, other.score)

    def __str__(self) -> str:
        return f"{self.label} {self.text!r} [{self.start}:{self.end}] {self.score:.3f}"

    def __repr__(self) -> str:
        """As a dataclass prints, without unset fields."""
        shown = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) is not None)
        return f"Span({', '.join(shown)})"

    def to_hf(self) -> dict[str, Any]:
        """The dict of Hugging Face's TokenClassificationPipeline, with plain Python numbers."""
        word = self.text if self.word is None else self.word
        if self.index is not None:
            return {
                "entity": self.label,
                "score": self.score,
                "index": self.index,
                "word": word,
                "start": self.start,
                "end": self.end,
            }
        return {"entity_group": self.label, "score": self.score, "word": word, "start": self.start, "end": self.end}

    def to_dict(self) -> dict[str, Any]:
        """The dict that vtag writes to files and over HTTP: start, end, label, score, text (and words, if any)."""
        row: dict[str, Any] = {
            "start": self.start,
            "end": self.end,
            "label": self.label,
            "score": self.score,
            "text": self.text,
        }
        if self.words is not None:
            row["words"] = list(self.words)
        return row

    def to_tuple(self) -> tuple[int, int, str]:
        """`(start, end, label)`, as spaCy and most evaluation tools take it."""
        return self.start, self.end, self.label


class Coverage(NamedTuple):
    """How a text was read, to its end: its tokens, special ones included, and the windows in which they ran."""

    tokens: int
    windows: int

    @classmethod
    def sum(cls, of_texts: Sequence[Coverage]) -> Coverage:
        """Of several texts together."""
        return cls(*map(sum, zip(*of_texts, strict=True))) if of_texts else cls(0, 0)

    def to_dict(self) -> dict[str, Any]:
        """As records and responses have it."""
        return {"tokens": self.tokens, "windows": self.windows, "complete": True}


class Replacement(NamedTuple):
    """What took the place of a part of a text; without the part itself. Offsets are code points, the end exclusive.

    Attributes:
        start: where it begins in the new text.
        end: where it ends there.
        old_start: where the part that it replaces begins in the old text.
        old_end: where that ends.
        label: the label of the span.
        action: what was done; "keep" for a value that stayed.
    """

    start: int
    end: int
    old_start: int
    old_end: int
    label: str
    action: str

    def to_dict(self) -> dict[str, Any]:
        """As files and HTTP have it."""
        return {
            "start": self.start,
            "end": self.end,
            "old_start": self.old_start,
            "old_end": self.old_end,
            "label": self.label,
            "action": self.action,
        }


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without the values of its spans, what was replaced, and the way back.

    Attributes:
        text: the new text.
        replacements: in order of position; offsets are code points.
        mapping: fakes and numbered placeholders -> the values they replace. It is not shown by `repr`: keep it as safe
            as the text itself.
    """

    text: str
    replacements: list[Replacement]
    mapping: dict[str, str] = field(default_factory=dict, repr=False)


# The answer for a text: its spans, or why it cannot be tagged.
Answer = list[Span] | InputError


class ChunkAnswers(NamedTuple):
    """The answers for the texts of a chunk, how each was read, and how many tokens the engine ran for them."""

    answers: list[Answer]
    coverage: list[Coverage]
    tokens: int


@overload
def to_hf(found: Sequence[Span]) -> list[dict[str, Any]]: ...
@overload
def to_hf(found: Sequence[Sequence[Span]]) -> list[list[dict[str, Any]]]: ...
def to_hf(found: Sequence[Span] | Sequence[Sequence[Span]]) -> list[dict[str, Any]] | list[list[dict[str, Any]]]:
    """The spans of a text, or of many texts, as the dicts of Hugging Face's TokenClassificationPipeline.

    Args:
        found: what `LLM.tag` gives, or one element of it.

    Returns:
        A dict for each span, with `entity_group` (or `entity` and `index`), `score`, `word`, `start` and `end` (code
        points).
    """
    return [one.to_hf() if isinstance(one, Span) else [span.to_hf() for span in one] for one in found]  # type: ignore[return-value]


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """One whole text after tokenization, without truncation: T tokens, added special tokens included.

    text: the caller's string (for input already split into words: `delimiter.join(words)`).
    ids: int32 [T].
    special: bool [T], true for the tokens that the tokenizer added itself.
    offsets: int32 [T, 2], code points of `text`, end exclusive, (0, 0) for special tokens; None with a slow tokenizer.
    word_ids: int32 [T], the tokenizer's own words (or the index of the caller's word), -1 for special tokens.
    words: int32 [W, 2], offsets of the caller's words in `text`; None for a text passed as one string.
    characters: int32 [T, 2], the characters of each token where the tokenizer's offsets are off (see
    text/characters.py); None: the offsets.
    """

    text: str
    ids: np.ndarray
    special: np.ndarray
    offsets: np.ndarray | None
    word_ids: np.ndarray
    words: np.ndarray | None = None
    characters: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The model's input: a whole text, or a part of one that is longer than the model's limit.

    ids: int32 [tokens], special tokens included.
    text: index of the text (its Encoding) in the batch.
    start, end: the range of the whole text's tokens, end exclusive, that `ids` holds between `prefix` and the window's
    trailing special tokens. For a text that fits, start = 0, end = T, prefix = 0 and ids = Encoding.ids.
    prefix: how many special tokens come before the range.
    """

    ids: np.ndarray
    text: int
    start: int
    end: int
    prefix: int = 0


def _draft_of(cls: type) -> Any:
    """A mutable stand-in for a frozen dataclass while its fields are set: a frozen one takes four times as long."""
    return make_dataclass("_Draft", [each.name for each in fields(cls)], slots=True)


_DRAFTS: dict[type, Any] = {cls: _draft_of(cls) for cls in (Span, Encoding, Window)}


def make_many(cls: type[Made], *columns: Iterable[Any]) -> list[Made]:
    """Create many Spans, Encodings or Windows, column by column, in the order of the fields."""
    objects: list[Any] = list(map(_DRAFTS[cls], *columns))
    for one in objects:
        one.__class__ = cls
    return objects
