"""Label probabilities of whole texts to spans: the `viterbi` strategy, for a batch at once."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from itertools import pairwise, repeat

import numpy as np

from vtag.decode.iob1 import with_begin_labels
from vtag.decode.scheme import Scheme, single_type_scheme
from vtag.decode.scores import columns, sums
from vtag.decode.viterbi import NO_BIASES, Biases, best_paths
from vtag.decode.words import WordTokens, pool, word_tokens
from vtag.types import Encoding, Span, make_many


def decode(
    encodings: Sequence[Encoding],
    probabilities: Sequence[np.ndarray],
    scheme: Scheme,
    *,
    names: Sequence[str] | None = None,
    words: str = "auto",
    ignore_labels: Container[str] = ("O",),
    biases: Biases = NO_BIASES,
    multi_label: bool = False,
    least: Callable[[str], float] | None = None,
) -> list[list[Span]]:
    """The spans of each text, sorted; with `multi_label`, spans of different types may overlap.

    names: the label of a span of each label, "" for none; None: the types. Types that share a name stay apart.
    probabilities: float32 [T, L] per text, from `scores.softmax` (or `scores.sigmoid` for `multi_label`).
    words: how the tokens of a word are combined, see `words.pool`.
    ignore_labels: names to leave out; "O" means outside, not a type of that name.
    least: the threshold of a name, for spans and for words outside of them; None: the best path alone.
    """
    if not len(encodings):
        return []
    found = word_tokens(encodings)
    rows = np.concatenate(probabilities)
    names = names or scheme.types
    if not multi_label:
        return _decode(encodings, rows, found, scheme, names, words, ignore_labels, biases, least)
    spans: list[list[Span]] = [[] for _ in encodings]
    for kind in dict.fromkeys(kind for kind in scheme.types if kind):
        of_type, columns = single_type_scheme(scheme, kind)
        outside = np.prod(1 - rows[:, columns], axis=1, keepdims=True)
        chances = np.concatenate([outside, rows[:, columns]], axis=1)
        chances /= np.maximum(chances.sum(axis=1, keepdims=True), np.float32(1e-9))
        of_columns = ["", *(names[column] for column in columns)]
        decoded = _decode(encodings, chances, found, of_type, of_columns, words, ignore_labels, biases, least)
        for mine, more in zip(spans, decoded, strict=True):
            mine.extend(more)
    return [_sorted(row) for row in spans]


def _sorted(spans: Sequence[Span]) -> list[Span]:
    """By position; of spans that types with one name have at the same place, the most probable."""
    best: dict[tuple[int, int, str], Span] = {}
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        held = best.setdefault((span.start, span.end, span.label), span)
        if span.score > held.score:
            best[span.start, span.end, span.label] = span
    return list(best.values())


def _decode(
    encodings: Sequence[Encoding],
    rows: np.ndarray,
    found: WordTokens,
    scheme: Scheme,
    names: Sequence[str],
    words: str,
    ignore_labels: Container[str],
    biases: Biases,
    least: Callable[[str], float] | None,
) -> list[list[Span]]:
    """One decode of all texts: rows float32 [N, L], of the batch's concatenated tokens."""
    chances, first, last = pool(rows, found, scheme, words)
    text = found.text[first]
    chances = with_begin_labels(chances, text, scheme)
    path = best_paths(chances, np.bincount(text, minlength=len(encodings)), scheme, biases)
    kept = ~scheme.outside & np.array([name == "O" or (bool(name) and name not in ignore_labels) for name in names])
    glued = found.glued[first[1:]]
    begin, end, score = _bounds(chances, path, kept[path], text, glued, scheme)
    if least is not None:
        limits = np.where(kept, [least(name) for name in names], np.inf)
        path, inside, added = _each_word(chances, path, begin, end, score, scheme, limits)
        begin, end, score = _bounds(chances, path, inside, text, glued | added[:-1] | added[1:], scheme)

    texts = text[begin]
    bounds = found.start[first[begin]].tolist(), found.end[last[end]].tolist()
    labels = [names[label] for label in path[begin].tolist()]
    whole = [encoding.text for encoding in encodings]
    slices = [whole[at][start:stop] for at, start, stop in zip(texts.tolist(), *bounds, strict=True)]
    words_of: Iterable[tuple[int, int] | None] = repeat(None)
    if any(encoding.words is not None for encoding in encodings):
        word, word_end = found.word[first[begin]].tolist(), (found.word[last[end]] + 1).tolist()
        words_of = [None if one < 0 else (one, after) for one, after in zip(word, word_end, strict=True)]
    flat = make_many(Span, *bounds, labels, score.tolist(), slices, repeat(None), repeat(None), words_of)
    ends = np.searchsorted(texts, np.arange(len(encodings) + 1)).tolist()
    return [flat[start:stop] for start, stop in pairwise(ends)]


def _bounds(
    chances: np.ndarray, path: np.ndarray, inside: np.ndarray, text: np.ndarray, glued: np.ndarray, scheme: Scheme
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """int [spans], the first and the last word of each span, and float64 [spans], its score.

    path: int [words], their labels. inside: bool [words], those in spans. text: int [words], their texts. glued: bool
    [words - 1], whether a word and the next are one entity where they have one type: nothing stands between them.
    """
    both = (text[1:] == text[:-1]) & inside[:-1] & inside[1:]
    goes_on = np.zeros(len(path) + 1, bool)
    goes_on[1:-1] = scheme.joined[path[:-1], path[1:]] & both
    # Models that open a span at every token cut addresses and numbers at each punctuation mark; no two entities touch
    # there.
    if scheme.name != "plain":
        kind = scheme.type_ids[path]
        goes_on[1:-1] |= glued & both & (kind[1:] == kind[:-1])
    begin = np.flatnonzero(inside & ~goes_on[:-1])
    end = np.flatnonzero(inside & ~goes_on[1:])
    return begin, end, _scores(chances, scheme.type_ids, path, np.flatnonzero(inside), begin, end)


def _each_word(
    chances: np.ndarray,
    path: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
    score: np.ndarray,
    scheme: Scheme,
    limits: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The path with a label for every word whose type reaches its limit, bool [words], the words in spans, and bool
    [words], those that were not.

    A span stays whole where its score reaches the limit of its type. limits: float64 [L], inf for labels that make no
    span.
    """
    inside = np.zeros(len(path) + 1, np.int32)
    strong = score >= limits[path[begin]]
    np.add.at(inside, begin[strong], 1)
    np.add.at(inside, end[strong] + 1, -1)
    held = np.cumsum(inside[:-1]) > 0
    _, kinds = np.unique(scheme.type_ids, return_inverse=True)
    of_type = sums(chances, columns(kinds))[:, kinds]
    reaching = np.where(of_type >= limits, of_type, np.float32(-1))
    best = reaching.max(axis=1, keepdims=True)
    label = np.where(reaching == best, chances, np.float32(-1)).argmax(axis=1).astype(path.dtype)
    added = ~held & (best[:, 0] >= 0)
    return np.where(held, path, label), held | added, added


def _scores(
    chances: np.ndarray, type_ids: np.ndarray, path: np.ndarray, rows: np.ndarray, begin: np.ndarray, end: np.ndarray
) -> np.ndarray:
    """float64 [spans]: the probability of a span's type, under any prefix, as the mean over its words.

    rows: int [K], the words of all spans; begin, end: int [spans], the first and the last word of each.
    """
    _, kinds = np.unique(type_ids, return_inverse=True)
    labels = columns(kinds)[kinds[path[rows]]]  # the labels of each word's type, padded with an index that is no label
    each = chances[rows[:, None], np.minimum(labels, chances.shape[1] - 1)]
    # Sums of float32 are exact in float64, so that a score does not depend on the rest of the batch.
    of_type = np.where(labels < chances.shape[1], each, np.float32(0)).sum(axis=1)
    total = np.concatenate([[0.0], np.cumsum(of_type, dtype=np.float64)])
    first, last = np.searchsorted(rows, begin), np.searchsorted(rows, end)
    return np.asarray(np.clip((total[last + 1] - total[first]) / (end - begin + 1), 0.0, 1.0))
