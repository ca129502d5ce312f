"""Tagger: texts to windows, and the windows' logits to spans. It never runs an engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from vtag.decode import scheme as schemes
from vtag.decode import scores, spans
from vtag.decode.hf import HF_STRATEGIES, hf_spans, merge_windows
from vtag.decode.stitch import stitch
from vtag.decode.viterbi import NO_BIASES, Biases
from vtag.decode.words import choose
from vtag.errors import error
from vtag.options import DEFAULT_STRATEGY, Options, checked, short
from vtag.text.given import texts_or_words
from vtag.text.prompts import encode_ids, split_prompts
from vtag.text.slow import SlowTokenizer
from vtag.text.tokenize import FastTokenizer, check_texts
from vtag.text.windows import body_size, check_stride, hf_windows, make_windows
from vtag.types import Encoding, Span, Window

# So many labels are named where one is wrong.
SHOWN = 24


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Texts on their way through the engine, in order.

    windows: what the engine runs, in order; `window.text` is an index into `encodings`.
    strategy: the aggregation strategy it was prepared for; None for logits alone.
    hf_parts: one Encoding a window, where Hugging Face's own stride rule was asked for.
    """

    encodings: tuple[Encoding, ...]
    windows: tuple[Window, ...]
    strategy: str | None = None
    hf_parts: tuple[Encoding, ...] | None = None

    def split(self, sizes: Sequence[int]) -> list[Batch]:
        """As batches of so many texts each."""
        batches: list[Batch] = []
        text = at = 0
        for size in sizes:
            start, last = at, text + size
            while at < len(self.windows) and self.windows[at].text < last:
                at += 1
            windows = _moved(self.windows[start:at], -text)
            parts = None if self.hf_parts is None else self.hf_parts[start:at]
            batches.append(Batch(self.encodings[text:last], windows, self.strategy, parts))
            text = last
        return batches

    @staticmethod
    def joined(batches: Sequence[Batch]) -> Batch:
        """Batches that were prepared in the same way, as one."""
        if len(batches) == 1:
            return batches[0]
        encodings: list[Encoding] = []
        windows: list[Window] = []
        parts: list[Encoding] = []
        for batch in batches:
            windows += _moved(batch.windows, len(encodings))
            encodings += batch.encodings
            parts += batch.hf_parts or ()
        first = batches[0]
        return Batch(tuple(encodings), tuple(windows), first.strategy, None if first.hf_parts is None else tuple(parts))


def _moved(windows: tuple[Window, ...], by: int) -> tuple[Window, ...]:
    """Windows of the texts that stand so much further on."""
    return tuple(Window(w.ids, w.text + by, w.start, w.end, w.prefix) for w in windows) if by else windows


class Tagger:
    """What is known of a model outside of its engine: tokenizer, labels, and the longest input it takes."""

    def __init__(
        self,
        tokenizer: Any,
        id2label: Mapping[int, str],
        max_length: int,
        *,
        causal: bool = False,
        multi_label: bool = False,
        scheme: str | None = None,
        words: str = "auto",
        biases: Biases = NO_BIASES,
        vocabulary: int = 1 << 30,
    ) -> None:
        self.id2label = dict(id2label)
        self.max_length = max_length
        self.causal = causal
        self.multi_label = multi_label
        self.scheme = schemes.read(self.id2label, scheme)
        self.words = choose(words, self.scheme)
        self.biases = biases
        self.vocabulary = vocabulary
        # What options may name: a span's label is a type, or under Hugging Face's strategies what is left of a label.
        types = [*self.scheme.span_labels, *(label.split("-", 1)[-1] for label in self.id2label.values())]
        self.labels = list(dict.fromkeys([*types, *self.id2label.values()]))
        self.fast = bool(tokenizer.is_fast)
        self._text = FastTokenizer(tokenizer) if self.fast else SlowTokenizer(tokenizer)
        # Where Hugging Face would cut: the tokenizer's own limit, which many tokenizers leave at 1e30.
        self._hf_max_length = int(min(max_length, tokenizer.model_max_length or max_length))

    def options(self, **given: Any) -> Options:
        """The options of `LLM.tag`, checked against this model; raises SettingError."""
        options = checked(**given)
        least = options["threshold"]
        self._check_labels("ignore_labels", options["ignore_labels"], "O")
        self._check_labels("threshold", tuple(least) if isinstance(least, dict) else (), "*")
        strategy, stride = options["aggregation_strategy"], options["stride"]
        if not self.fast and strategy in ("first", "average", "max"):
            raise error("needs_fast_tokenizer", strategy=strategy)
        if stride is not None:
            hf = strategy in HF_STRATEGIES
            if hf and not self.fast:
                raise error("needs_fast_tokenizer", strategy="stride")
            if strategy == "none":
                raise error("stride_without_groups")
            check_stride(stride, body_size(self._probe, self._hf_max_length if hf else self.max_length))
        return options

    def prepare(
        self,
        texts: str | Iterable[str] | None = None,
        *,
        words: Iterable[str] | Iterable[Sequence[str]] | None = None,
        delimiter: str = " ",
        stride: int | None = None,
        aggregation_strategy: str | None = DEFAULT_STRATEGY,
        first: int = 0,
        most_tokens: int | None = None,
    ) -> Batch:
        """Tokenize and cut into windows; `aggregation_strategy=None` if only logits are wanted.

        One text or many; or `words`, a list for each text (or the words of one text): then offsets refer to
        `delimiter.join(words)`. `stride` is the overlap of windows in tokens; given together with one of Hugging
        Face's strategies, windows are cut and their spans merged by its own rule.
        `first` is the index of the first text, for error messages. `most_tokens`: of all windows; raises InputError
        for more, before they are made.
        """
        if aggregation_strategy is not None:
            options = self.options(aggregation_strategy=aggregation_strategy, stride=stride)
            aggregation_strategy, stride = options["aggregation_strategy"], options["stride"]
        named, given = texts_or_words(texts, words)
        if named == "words":
            encodings = self._encode_words(given, delimiter, first)
        else:
            encodings = self._encode_texts(given, first)
        if aggregation_strategy is not None:
            for i, encoding in enumerate(encodings, first):
                if encoding.offsets is None:
                    raise error("no_offsets", index=i)
        if stride is not None and aggregation_strategy in HF_STRATEGIES:
            return self._prepare_hf_stride(encodings, stride, aggregation_strategy, most_tokens)
        by_lines = aggregation_strategy == "viterbi" and stride is None
        windows = make_windows(encodings, self.max_length, stride, by_lines=by_lines, most=most_tokens)
        return Batch(tuple(encodings), tuple(windows), aggregation_strategy)

    def prepare_prompts(self, prompts: Any, most_tokens: int | None = None) -> Batch:
        """As `prepare`, for logits alone, of whatever vLLM's `encode` takes: texts, token ids, dicts of either."""
        items = split_prompts(prompts, self.vocabulary)
        texts = [item for item in items if isinstance(item, str)]
        encoded = iter(self._encode_texts(texts))
        encodings = [next(encoded) if isinstance(item, str) else encode_ids(item, self._probe) for item in items]
        return Batch(tuple(encodings), tuple(make_windows(encodings, self.max_length, most=most_tokens)))

    def pieces(self, encoding: Encoding) -> list[str]:
        """The vocabulary piece of each token."""
        return self._text.strings(encoding.ids)

    def finish(
        self,
        batch: Batch,
        logits: Sequence[np.ndarray],
        *,
        aggregation_strategy: str | None = None,
        ignore_labels: Sequence[str] = ("O",),
        threshold: float | Mapping[str, float] | None = None,
    ) -> list[list[Span]]:
        """The spans of each text, from the logits of each window: float32 [len(window.ids), labels].

        `threshold` drops spans with a lower score; by label if it is a dict ("*": all others).
        """
        options = self.options(
            aggregation_strategy=aggregation_strategy or batch.strategy or DEFAULT_STRATEGY,
            ignore_labels=ignore_labels,
            threshold=threshold,
        )
        strategy, least = options["aggregation_strategy"], options["threshold"]
        decode = self._hf if strategy in HF_STRATEGIES else self._viterbi
        found = decode(batch, logits, strategy, options["ignore_labels"])
        return found if least is None else [_above(least, row) for row in found]

    def rows(self, batch: Batch, logits: Sequence[np.ndarray]) -> list[np.ndarray]:
        """One row of logits per token of each whole text, special tokens included: float32 [T, labels]."""
        return stitch(batch.encodings, batch.windows, logits, len(self.id2label), causal=self.causal)

    def probabilities(self, batch: Batch, logits: Sequence[np.ndarray]) -> list[np.ndarray]:
        """As `rows`, of probabilities: float32 [T, labels]."""
        return [scores.probabilities(row, multi_label=self.multi_label) for row in self.rows(batch, logits)]

    def _encode_texts(self, texts: Iterable[Any], first: int = 0) -> list[Encoding]:
        return self._text.encode(check_texts(texts, first), first)

    def _encode_words(self, words: Iterable[Any], delimiter: str, first: int) -> list[Encoding]:
        split: list[list[str]] = []
        for i, text in enumerate(words, first):
            own: list[Any] = [None] if isinstance(text, str) or not isinstance(text, Iterable) else list(text)
            if not all(isinstance(word, str) for word in own):
                raise error("not_words", index=i)
            split.append(own)
        return self._text.encode_words(split, delimiter, first)

    @cached_property
    def _probe(self) -> Encoding:
        """Any text: it shows which special tokens stand around all."""
        return self._text.encode(["a"])[0]

    def _check_labels(self, option: str, labels: Iterable[str], always: str) -> None:
        """Raise SettingError for a label that the model has not; `always` is fine."""
        for label in labels:
            if label != always and label not in self.labels:
                more = len(self.labels) - SHOWN
                names = ", ".join(self.labels[:SHOWN]) + (f" and {more} more" if more > 0 else "")
                raise error("no_such_label", option=option, label=short(label), names=names)

    def _prepare_hf_stride(
        self, encodings: Sequence[Encoding], stride: int, strategy: str, most_tokens: int | None
    ) -> Batch:
        assert isinstance(self._text, FastTokenizer)  # by `options`
        from_end = self._text.cuts_left
        windows = hf_windows(encodings, self._hf_max_length, stride, from_end=from_end, most=most_tokens)
        parts = self._text.overflow(encodings, self._hf_max_length, stride)
        flat = tuple(part for of_text in parts for part in of_text if len(part.ids))
        return Batch(tuple(encodings), tuple(windows), strategy, flat)

    def _hf(
        self, batch: Batch, logits: Sequence[np.ndarray], strategy: str, ignore_labels: Sequence[str]
    ) -> list[list[Span]]:
        """Hugging Face's strategies: over whole texts, or window by window under its stride rule."""
        if batch.hf_parts is None:
            rows = self.rows(batch, logits)
            return [self._hf_one(e, row, strategy, ignore_labels) for e, row in zip(batch.encodings, rows, strict=True)]
        found: list[list[Span]] = [[] for _ in batch.encodings]
        counts = Counter(window.text for window in batch.windows)
        for window, part, row in zip(batch.windows, batch.hf_parts, logits, strict=True):
            found[window.text].extend(self._hf_one(part, row, strategy, ignore_labels))
        return [merge_windows(row) if counts[text] > 1 else row for text, row in enumerate(found)]

    def _viterbi(
        self, batch: Batch, logits: Sequence[np.ndarray], strategy: str, ignore_labels: Sequence[str]
    ) -> list[list[Span]]:
        """The default: window distributions averaged, then one decode of each whole text."""
        if not len(logits):
            return [[] for _ in batch.encodings]
        chances = scores.probabilities(np.concatenate(logits), multi_label=self.multi_label)
        ends = np.cumsum([len(row) for row in logits]).tolist()
        parts = [chances[start:end] for start, end in pairwise([0, *ends])]
        return spans.decode(
            batch.encodings,
            stitch(batch.encodings, batch.windows, parts, len(self.id2label), causal=self.causal),
            self.scheme,
            words=self.words,
            ignore_labels=ignore_labels,
            biases=self.biases,
            multi_label=self.multi_label,
        )

    def _hf_one(self, encoding: Encoding, logits: np.ndarray, strategy: str, ignore: Sequence[str]) -> list[Span]:
        pieces, unk, subword = self._text.pieces(encoding)
        return hf_spans(encoding, pieces, unk, subword, logits, strategy, self.id2label, ignore, self._text.to_string)


def _above(threshold: float | dict[str, float], found: list[Span]) -> list[Span]:
    """The spans that are sure enough."""
    if not isinstance(threshold, dict):
        threshold = {"*": threshold}
    rest = threshold.get("*", 0.0)
    return [span for span in found if span.score >= threshold.get(span.label, rest)]
