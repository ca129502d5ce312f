"""Hugging Face's TokenClassificationPipeline, reproduced exactly, bugs included.

Tokens, words and groups are arrays here; strings are built only for groups that are not ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from vtag.types import Encoding, Span

HF_STRATEGIES = ("none", "simple", "first", "average", "max")


class Units(NamedTuple):
    """The n units that are grouped: tokens for "none" and "simple", words for the other strategies.

    first, last: int [n], the first and the last token of each unit.
    label, score: [n], the label's id and its probability.
    """

    first: np.ndarray
    last: np.ndarray
    label: np.ndarray
    score: np.ndarray


def hf_spans(
    encoding: Encoding,
    pieces: Sequence[str],
    unk: np.ndarray,
    subword: np.ndarray,
    logits: np.ndarray,
    strategy: str,
    labels: tuple[str, ...],
    names: Sequence[str],
    ignore_labels: Container[str],
    to_string: Callable[[list[str]], str],
) -> list[Span]:
    """The entities of one text, or of one of its windows.

    pieces: T token strings; unk, subword: bool [T]; logits: float32 [T, labels];
    labels: the model's own, which decide what is grouped; names: of the spans, by label.
    to_string: the tokenizer's convert_tokens_to_string.
    """
    tokens = np.flatnonzero(~encoding.special)
    if len(tokens) == 0:
        return []
    units = _units(tokens, softmax(logits[tokens]), (subword & ~unk)[tokens], strategy)
    assert encoding.offsets is not None
    starts, ends = encoding.offsets[:, 0], encoding.offsets[:, 1]

    def span(first: int, last: int, label: str, score: float, word: str, index: int | None = None) -> Span:
        start, end = int(starts[first]), int(ends[last])
        words = None
        if encoding.words is not None:
            words = (int(encoding.word_ids[first]), int(encoding.word_ids[last]) + 1)
        return Span(start, end, label, score, encoding.text[start:end], word, index, words)

    def piece(token: int) -> str:
        return encoding.text[starts[token] : ends[token]] if unk[token] else pieces[token]

    if strategy == "none":
        return [
            span(token, token, names[label], score, piece(token), token)
            for token, label, score in zip(
                units.first.tolist(), units.label.tolist(), units.score.tolist(), strict=True
            )
            if names[label] not in ignore_labels
        ]

    def word_of(unit: int) -> str:
        """A unit's string: the pipeline converts words once by themselves, and once more within their group."""
        first, last = int(units.first[unit]), int(units.last[unit])
        if strategy == "simple":
            return piece(first)
        return to_string([piece(token) for token in range(first, last + 1) if not encoding.special[token]])

    begins = _group_begins(units.label, labels)
    stops = np.append(begins[1:], len(units.label))
    spans = []
    for begin, stop in zip(begins.tolist(), stops.tolist(), strict=True):
        name = names[units.label[begin]]
        if name in ignore_labels:
            continue
        # Sum in NumPy's float32 order, so that ties under stride break as in Hugging Face.
        score = float(np.float32(np.add.reduce(units.score[begin:stop]) / (stop - begin)))
        word = to_string([word_of(unit) for unit in range(begin, stop)])
        spans.append(span(int(units.first[begin]), int(units.last[stop - 1]), name, score, word))
    return spans


def merge_windows(spans: Sequence[Span]) -> list[Span]:
    """Hugging Face's stride rule: of overlapping entities the longest stays, then the most probable; labels are
    ignored.
    """
    if not spans:
        return []
    ordered = sorted(spans, key=lambda span: span.start)
    kept = []
    previous = ordered[0]
    for span in ordered:  # including the first: Hugging Face returns an empty first span (start = end) twice
        if not previous.start <= span.start < previous.end:
            kept.append(previous)
            previous = span
        elif (span.end - span.start, span.score) > (previous.end - previous.start, previous.score):
            previous = span
    return [*kept, previous]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities [T, labels], in Hugging Face's order of operations."""
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True))


def _units(tokens: np.ndarray, probabilities: np.ndarray, subword: np.ndarray, strategy: str) -> Units:
    """The label and score of each token [n], or of each word."""
    rows = np.arange(len(tokens))
    if strategy in ("none", "simple"):
        label = probabilities.argmax(axis=-1)
        return Units(tokens, tokens, label, probabilities[rows, label])
    begins = np.flatnonzero(np.append(True, ~subword[1:]))
    stops = np.append(begins[1:], len(tokens))
    if strategy == "first":
        chosen = probabilities[begins]
    elif strategy == "max":
        chosen = probabilities[_highest(probabilities.max(axis=-1), begins, stops)]
    else:
        chosen = _means(probabilities, begins, stops - begins)
    label = chosen.argmax(axis=-1)
    return Units(tokens[begins], tokens[stops - 1], label, chosen[np.arange(len(begins)), label])


def _means(probabilities: np.ndarray, begins: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Mean rows [words, labels], summed token by token as in Hugging Face, so that ties break the same way."""
    totals = probabilities[begins]
    words = np.flatnonzero(lengths > 1)
    piece = 1
    while len(words):
        totals[words] += probabilities[begins[words] + piece]
        piece += 1
        words = words[lengths[words] > piece]
    return np.asarray(totals / lengths.astype(np.float32)[:, None])


def _highest(score: np.ndarray, begins: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """The first position of the highest score in each range [begin, stop)."""
    word = np.repeat(np.arange(len(begins)), stops - begins)
    is_highest = np.flatnonzero(score == np.maximum.reduceat(score, begins)[word])
    positions = begins.copy()
    positions[word[is_highest[::-1]]] = is_highest[::-1]
    return positions


def _group_begins(label: np.ndarray, labels: tuple[str, ...]) -> np.ndarray:
    """Group starts among units with these label ids [n]: where the tag changes, and at each B-."""
    is_begin, tag = _tags(labels)
    changes = is_begin[label[1:]] | (tag[label[1:]] != tag[label[:-1]])
    return np.flatnonzero(np.append(True, changes))


@lru_cache(maxsize=64)
def _tags(labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Whether each label has the prefix B- (bool [labels]), and the id of its tag (int [labels])."""
    is_begin = np.array([label.startswith("B-") for label in labels])
    names = [label[2:] if label.startswith(("B-", "I-")) else label for label in labels]
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return is_begin, np.array([number[name] for name in names])
