"""Tokens to words, for a whole batch at once.

A word is a maximal run of letters and digits; other symbols, such as € and +, follow the tokenizer's own words.
Punctuation is a word of its own, and so is every token of a script that is written without spaces. Neither grapheme
clusters nor the caller's words are cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vtag.decode.characters import AFFIXED, LETTER, PUNCTUATION, SPACE, UNSPACED, classify
from vtag.decode.graphemes import within
from vtag.decode.scheme import Scheme
from vtag.decode.scores import columns, sums
from vtag.errors import error
from vtag.types import Encoding

RULES = ("auto", "first", "mean", "token")
# A word is cut into stem and particle where the model is at least this sure of both.
_SURE = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class WordTokens:
    """The tokens of a batch that stand for characters, concatenated. M tokens, B texts.

    rows: int64 [M], the token's index in the batch's concatenated tokens.
    text: int64 [M], index of its text.
    start, end: int64 [M], code points of its text: the grapheme clusters that the token overlaps, without white space
    at the ends; for texts given as words, the caller's word.
    begins: bool [M], the first token of a word.
    apart: bool [M], shares no cluster, or word of the caller's, with the token before (byte-level tokens may).
    glued: bool [M], follows the token before without white space, with punctuation on one side of the boundary.
    affix: bool [M], continues a word in a script that attaches particles and clitics to words, so that the model's
    labels may cut it from the token before.
    word: int64 [M], for texts given as words, the caller's word; else -1.
    """

    rows: np.ndarray
    text: np.ndarray
    start: np.ndarray
    end: np.ndarray
    begins: np.ndarray
    apart: np.ndarray
    glued: np.ndarray
    affix: np.ndarray
    word: np.ndarray


def word_tokens(encodings: Sequence[Encoding]) -> WordTokens:
    """Find the words of every text; needs at least one text."""
    lengths = np.array([len(encoding.ids) for encoding in encodings], np.int64)
    text = np.repeat(np.arange(len(encodings)), lengths)
    special = np.concatenate([encoding.special for encoding in encodings])
    word_ids = np.concatenate([encoding.word_ids for encoding in encodings])
    split = np.array([encoding.words is not None for encoding in encodings], bool)
    offsets = np.concatenate([_offsets(encoding) for encoding in encodings])
    base = np.cumsum([0] + [len(encoding.text) for encoding in encodings])[text]
    texts = [encoding.text for encoding in encodings]
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    classes = classify(codes)

    start, end = offsets[:, 0] + base, offsets[:, 1] + base
    inside = within(texts, codes)
    if inside is not None:
        classes, start, end = _whole_clusters(inside, classes, start, end)
    spaces = np.concatenate([[0], np.cumsum(classes == SPACE)])
    start, end = _trim(classes, start, end)
    rows = np.flatnonzero(~special & (start < end))
    start, end, text, word_ids, base = start[rows], end[rows], text[rows], word_ids[rows], base[rows]
    if split.any():
        start, end = _whole_words(encodings, split, text, word_ids, start - base, end - base)
        start, end = start + base, end + base

    begins = np.ones(len(rows), bool)
    apart = np.ones(len(rows), bool)
    glued = np.zeros(len(rows), bool)
    affix = np.zeros(len(rows), bool)
    if len(rows):
        left, right = end[:-1], start[1:]
        uncut = ~split[text[1:]]  # the caller's words are not cut again
        before, after = classes[left - 1], classes[right]
        mark = (before == PUNCTUATION) | (after == PUNCTUATION)
        space = spaces[right] > spaces[np.minimum(left, right)]
        edge = mark | space | (before == UNSPACED) | (after == UNSPACED)
        # Tokenizers separate letters from digits, digits from digits, and letters from their marks; no word ends there.
        within_word = (before >= LETTER) & (after >= LETTER)
        cut = np.where(uncut & within_word, False, word_ids[1:] != word_ids[:-1]) | (uncut & edge)
        glued[1:] = uncut & mark & ~space & (text[1:] == text[:-1])
        apart[1:] = (right >= left) | (text[1:] != text[:-1])
        begins[1:] = (cut | (text[1:] != text[:-1])) & apart[1:]
        affix[1:] = uncut & within_word & ((before == AFFIXED) | (after == AFFIXED)) & ~begins[1:] & apart[1:]
    words = np.where(split[text], word_ids, -1)
    return WordTokens(rows, text, start - base, end - base, begins, apart, glued, affix, words)


def choose(rule: str, scheme: Scheme) -> str:
    """The rule for "auto": "mean", but "first" where the labels include X, a label for all tokens of a word but the
    first.
    """
    if rule not in RULES:
        raise error("bad_words", words=rule, names=", ".join(RULES))
    if rule != "auto":
        return rule
    return "first" if "X" in scheme.labels and scheme.outside[scheme.labels.index("X")] else "mean"


def pool(
    probabilities: np.ndarray, found: WordTokens, scheme: Scheme, rule: str = "auto"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label distributions of words.

    probabilities: float32 [N, L], the batch's concatenated tokens.
    rule: "first": the word's first token; "mean": see `_mean`; "token": every token is a word.
    Returns float32 [W, L], and int64 [W] twice: the word's first and last token, as indices into `found`.
    """
    rule = choose(rule, scheme)
    begins = found.apart if rule == "token" else found.begins
    if rule == "mean" and scheme.name != "plain" and found.affix.any():
        begins = begins | _cut_off(probabilities, found, scheme)
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(found.rows))[: len(first)] - 1
    pooled = probabilities[found.rows[first]]
    if rule != "first":
        many = np.flatnonzero(last > first)
        if len(many):
            pooled[many] = _mean(probabilities, found.rows, first[many], last[many], scheme)
    return pooled, first, last


def _cut_off(probabilities: np.ndarray, found: WordTokens, scheme: Scheme) -> np.ndarray:
    """bool [M]: affixes where the model is sure of the affix and of the token before, one in a span, the other outside.

    Models that were trained on subwords or characters label a particle differently from its name; a mean of both is
    meaningless.
    """
    cut = np.zeros(len(found.rows), bool)
    at = np.flatnonzero(found.affix)
    _, kinds = np.unique(scheme.type_ids, return_inverse=True)
    before, after = (sums(probabilities[found.rows[rows]], columns(kinds)) for rows in (at - 1, at))
    sure = (before.max(axis=1) > _SURE) & (after.max(axis=1) > _SURE)
    outside = np.unique(kinds[scheme.outside])
    cut[at] = sure & (np.isin(before.argmax(axis=1), outside) != np.isin(after.argmax(axis=1), outside))
    return cut


def _mean(
    probabilities: np.ndarray, rows: np.ndarray, first: np.ndarray, last: np.ndarray, scheme: Scheme
) -> np.ndarray:
    """float32 [W, L]: the probability of a type is the mean over the word's tokens. The prefix comes from the token
    that shows it, however the model was trained: the first token shows whether a span opens, the last (or the first,
    if only first tokens were trained) whether it closes.
    """
    sizes = last - first + 1
    offsets = np.cumsum(sizes) - sizes
    inside = rows[np.repeat(first - offsets, sizes) + np.arange(sizes.sum())]
    _, kinds = np.unique(scheme.type_ids, return_inverse=True)
    mass = np.add.reduceat(sums(probabilities[inside], columns(kinds)), offsets, axis=0)[:, kinds]
    mass /= sizes[:, None].astype(np.float32)
    at_first, at_last = probabilities[rows[first]], probabilities[rows[last]]
    whole = sums(at_first, columns(kinds))[:, kinds]
    prefix_share = _share(at_first, whole)
    prefixes = np.array(scheme.prefixes)
    if "E" not in prefixes:
        return np.asarray(mass * prefix_share)

    opening, closing = (columns(kinds, np.isin(prefixes, list(letters))) for letters in ("BS", "ES"))
    opens = _share(sums(at_first, opening)[:, kinds], whole)
    closes = np.maximum(
        _share(sums(at_first, closing)[:, kinds], whole),
        _share(sums(at_last, closing)[:, kinds], sums(at_last, columns(kinds))[:, kinds]),
    )
    share = np.where(np.isin(prefixes, ["B", "S"]), opens, 1 - opens) if "B" in prefixes else np.ones_like(opens)
    share = share * np.where(np.isin(prefixes, ["E", "S"]), closes, 1 - closes)
    return np.asarray(mass * np.where(scheme.outside, prefix_share, share))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(part / np.maximum(whole, np.float32(1e-9)))


def _offsets(encoding: Encoding) -> np.ndarray:
    """int [T, 2]; without a fast tokenizer, the offsets of the caller's words."""
    if encoding.characters is not None:
        return encoding.characters
    if encoding.offsets is not None:
        return encoding.offsets
    if encoding.words is None or not len(encoding.words):
        return np.zeros((len(encoding.ids), 2), np.int32)
    return np.where(encoding.word_ids[:, None] >= 0, encoding.words[encoding.word_ids], 0)


def _whole_clusters(
    inside: np.ndarray, classes: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes by cluster, that of its first character (so that a mark on a space counts as white space); starts and
    ends moved out to the borders of clusters.
    """
    at = np.arange(len(inside))
    first = np.maximum.accumulate(np.where(inside, 0, at))
    after = np.minimum.accumulate(np.where(inside, len(inside), at)[::-1])[::-1]
    some = start < end
    return classes[first], np.where(some, first[start], start), np.where(some, after[end], end)


def _whole_words(
    encodings: Sequence[Encoding],
    split: np.ndarray,
    text: np.ndarray,
    word_ids: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the caller's words, for the tokens of texts that were passed as words."""
    words = [np.zeros((0, 2), np.int32) if encoding.words is None else encoding.words for encoding in encodings]
    first = np.cumsum([0] + [len(of_text) for of_text in words])[text]
    bounds = np.concatenate([*words, np.zeros((1, 2), np.int32)])
    word_bounds = bounds[np.where(split[text], first + word_ids, -1)]
    return np.where(split[text], word_bounds[:, 0], start), np.where(split[text], word_bounds[:, 1], end)


def _trim(classes: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move starts right and ends left past white space."""
    at = np.arange(len(classes))
    solid = classes != SPACE
    following = np.minimum.accumulate(np.where(solid, at, len(classes))[::-1])[::-1]
    preceding = np.maximum.accumulate(np.where(solid, at + 1, 0))
    return following[start], np.where(end > start, preceding[np.maximum(end, 1) - 1], start)
