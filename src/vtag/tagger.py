"""Tagger: texts to windows, and the windows' logits to spans. It never runs an engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np

from vtag.decode import scheme as schemes
from vtag.decode import scores, spans
from vtag.decode.hf import hf_spans, merge_windows
from vtag.decode.names import names_of
from vtag.decode.stitch import stitch
from vtag.decode.viterbi import NO_BIASES, Biases
from vtag.decode.words import choose
from vtag.errors import InputError, error, input_error, listed, short
from vtag.options import DEFAULTS, BoundOptions, TagOptions
from vtag.text.inputs import readable
from vtag.text.prompts import encode_ids, split_prompts
from vtag.text.slow import SlowTokenizer
from vtag.text.tokenize import FastTokenizer, TokenizerError
from vtag.text.windows import body_size, check_stride, coverage, hf_windows, make_windows
from vtag.types import Answer, Coverage, Encoding, Span, Window

# Stands for a text that cannot be tagged: no tokens, so no windows.
NOTHING = Encoding("", np.zeros(0, np.int32), np.zeros(0, bool), np.zeros((0, 2), np.int32), np.zeros(0, np.int32))


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Texts on their way through the engine, in order.

    Attributes:
        encodings: one a text, without tokens where the text cannot be tagged.
        windows: the engine's input, in order; `window.text` is an index into `encodings`.
        options: what the batch was prepared for; None for logits alone.
        errors: why a text cannot be tagged, by its index in `encodings`.
        hf_parts: one Encoding a window, for Hugging Face's own stride rule.
    """

    encodings: tuple[Encoding, ...]
    windows: tuple[Window, ...]
    options: BoundOptions | None = None
    errors: Mapping[int, InputError] = field(default_factory=dict)
    hf_parts: tuple[Encoding, ...] | None = None

    def coverage(self) -> list[Coverage]:
        """How each text is read. Raises EngineError if a token of one is in no window."""
        return coverage(self.encodings, self.windows)

    @staticmethod
    def joined(batches: Sequence[Batch]) -> Batch:
        """One batch out of several that were prepared with the same options."""
        if len(batches) == 1:
            return batches[0]
        encodings: list[Encoding] = []
        windows: list[Window] = []
        errors: dict[int, InputError] = {}
        parts: list[Encoding] = []
        for batch in batches:
            by = len(encodings)
            windows += [Window(w.ids, w.text + by, w.start, w.end, w.prefix) for w in batch.windows]
            errors |= {text + by: refused for text, refused in batch.errors.items()}
            encodings += batch.encodings
            parts += batch.hf_parts or ()
        first = batches[0]
        hf_parts = None if first.hf_parts is None else tuple(parts)
        return Batch(tuple(encodings), tuple(windows), first.options, errors, hf_parts)


class Tagger:
    """All of a model outside of its engine: texts to windows, and the windows' logits to spans.

    `prepare` and `finish` are its two pure halves; between them an engine computes the logits of each window.

    Args:
        tokenizer: of transformers.
        id2label: the names of the labels, by index.
        max_length: the most tokens that the model takes at once, special ones included.
        label_map: other names of types in answers; "" leaves a type out.
        causal: whether a token sees only what comes before it.
        multi_label: whether a token can have several labels: probabilities are sigmoids then.
        scheme: tag scheme of the labels, if their names do not show it.
        words: how the tokens of a word become one label: "auto", "first", "mean" or "token".
        biases: of the labels, for Viterbi decoding.
        vocabulary: size of the embedding: token ids are below it.

    Attributes:
        id2label: the labels, as answers have them.

    Raises:
        SettingError: for a label map or a scheme that does not fit the labels.
    """

    def __init__(
        self,
        tokenizer: Any,
        id2label: Mapping[int, str],
        max_length: int,
        *,
        label_map: Mapping[str, str] | None = None,
        causal: bool = False,
        multi_label: bool = False,
        scheme: str | None = None,
        words: str = "auto",
        biases: Biases = NO_BIASES,
        vocabulary: int = 1 << 30,
    ) -> None:
        self.max_length = max_length
        self.causal = causal
        self.multi_label = multi_label
        self.scheme = schemes.read(id2label, scheme)
        self.names = names_of(self.scheme, label_map)
        self.id2label = dict(enumerate(self.names.labels))
        self.words = choose(words, self.scheme)
        self.biases = biases
        self.vocabulary = vocabulary
        # Names that options may use.
        self.labels = list(dict.fromkeys([*self.names.of_spans, *self.names.groups, *self.names.labels]))
        self._known = set(self.labels)
        self.fast = bool(tokenizer.is_fast)
        self._text = FastTokenizer(tokenizer) if self.fast else SlowTokenizer(tokenizer)
        # The limit at which Hugging Face would cut: the tokenizer's own, which many tokenizers leave at 1e30.
        self._hf_max_length = int(min(max_length, tokenizer.model_max_length or max_length))

    def bind(self, options: TagOptions) -> BoundOptions:
        """Check the options against this model.

        Args:
            options: of tagging.

        Returns:
            The same options; nothing behind this call checks them again.

        Raises:
            SettingError: for a label that the model does not have, and a stride or strategy that does not fit it.
        """
        if (found := self.unknown_label(options)) is not None:
            option, label = found
            raise error("no_such_label", option=option, label=short(label), names=listed(self.labels))
        strategy, stride = options.aggregation_strategy, options.stride
        if not self.fast and strategy in ("first", "average", "max"):
            raise error("needs_fast_tokenizer", strategy=strategy)
        if stride is not None:
            if options.hf and not self.fast:
                raise error("needs_fast_tokenizer", strategy="stride")
            if strategy == "none":
                raise error("stride_without_groups")
            check_stride(stride, body_size(self._probe, self._hf_max_length if options.hf else self.max_length))
        return BoundOptions(options)

    def unknown_label(self, options: TagOptions) -> tuple[str, str] | None:
        """The first option that names a label which the model does not have, and that label.

        Args:
            options: of tagging.
        """
        return next(((option, label) for option, label in options.labels() if label not in self._known), None)

    def prepare(
        self,
        items: Iterable[Any],
        options: BoundOptions = DEFAULTS,
        *,
        words: bool = False,
        delimiter: str = " ",
        first: int = 0,
    ) -> Batch:
        """Tokenize texts and cut them into windows.

        Args:
            items: texts, or lists of words where `words` is true: then offsets refer to `delimiter.join(words)`.
            options: of `bind`.
            words: whether texts are split into words.
            delimiter: what stands between words.
            first: the index of the first text, for error messages.

        Returns:
            A batch; its `errors` has the InputError of each text that cannot be tagged.
        """
        items = [items] if isinstance(items, str) else list(items)
        indices = range(first, first + len(items))
        return self.cut(*self.encode(items, indices, words=words, delimiter=delimiter), options)

    def encode(
        self, items: Iterable[Any], indices: Sequence[int], *, words: bool = False, delimiter: str = " "
    ) -> tuple[list[Encoding], dict[int, InputError]]:
        """Tokenize: the first part of `prepare`.

        Args:
            items: as in `prepare`.
            indices: the texts' numbers in error messages.
            words: as in `prepare`.
            delimiter: as in `prepare`.

        Returns:
            An Encoding for each text, and by its position the error of each text that cannot be tagged.
        """
        encodings, errors = self._encode(items, indices, words=words, delimiter=delimiter)
        for text, encoding in enumerate(encodings):
            if encoding.offsets is None:
                errors[text] = input_error("no_offsets", index=indices[text])
                encodings[text] = NOTHING
        return encodings, errors

    def cut(
        self,
        encodings: Sequence[Encoding],
        errors: Mapping[int, InputError],
        options: BoundOptions,
        most_tokens: int | None = None,
    ) -> Batch:
        """Cut encodings into windows: the second part of `prepare`.

        Args:
            encodings: of `encode`.
            errors: of `encode`.
            options: of `bind`.
            most_tokens: in all windows together.

        Raises:
            InputError: if all windows have more than `most_tokens`, before any is made.
        """
        stride = options.stride
        if stride is not None and options.hf:
            return self._cut_hf(encodings, errors, options, stride, most_tokens)
        by_lines = not options.hf and stride is None
        windows = make_windows(encodings, self.max_length, stride, by_lines=by_lines, most=most_tokens)
        return Batch(tuple(encodings), tuple(windows), options, errors)

    def prepare_prompts(self, prompts: Any, most_tokens: int | None = None) -> Batch:
        """As `prepare`, for logits alone, from the input types of vLLM's `encode`: texts, token ids, dicts of either.

        Args:
            prompts: one or many.
            most_tokens: in all windows together.

        Raises:
            InputError: for the first prompt that cannot be read.
        """
        items = split_prompts(prompts, self.vocabulary)
        texts = {i: item for i, item in enumerate(items) if isinstance(item, str)}
        encoded, errors = self._encode(texts.values(), list(texts))
        for refused in errors.values():
            raise refused
        of_texts = iter(encoded)
        encodings = [next(of_texts) if isinstance(item, str) else encode_ids(item, self._probe) for item in items]
        return Batch(tuple(encodings), tuple(make_windows(encodings, self.max_length, most=most_tokens)))

    def token_strings(self, encoding: Encoding) -> list[str]:
        """The token string of each token.

        Args:
            encoding: of a batch.
        """
        return self._text.strings(encoding.ids)

    def finish(self, batch: Batch, logits: Sequence[np.ndarray]) -> list[Answer]:
        """Decode logits to spans.

        Args:
            batch: of `prepare`.
            logits: of each window, float32 [len(window.ids), labels].

        Returns:
            For each text its spans, whose offsets are code points, or the error why it cannot be tagged.
        """
        assert batch.options is not None  # set by `prepare`
        decode = self._hf if batch.options.hf else self._viterbi
        answers: list[Answer] = [batch.options.above_threshold(found) for found in decode(batch, logits, batch.options)]
        for text, refused in batch.errors.items():
            answers[text] = refused
        return answers

    def rows(self, batch: Batch, logits: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Logits of each whole text, one row a token.

        Args:
            batch: of `prepare` or `prepare_prompts`.
            logits: of each window, float32 [len(window.ids), labels].

        Returns:
            float32 [T, labels] for each text of T tokens, special tokens included.
        """
        return stitch(batch.encodings, batch.windows, logits, len(self.id2label), causal=self.causal)

    def probabilities(self, batch: Batch, logits: Sequence[np.ndarray]) -> list[np.ndarray]:
        """As `rows`, with probabilities.

        Args:
            batch: as in `rows`.
            logits: as in `rows`, float32 [len(window.ids), labels].

        Returns:
            float32 [T, labels] for each text of T tokens.
        """
        return [scores.probabilities(row, multi_label=self.multi_label) for row in self.rows(batch, logits)]

    def _encode(
        self, items: Iterable[Any], indices: Sequence[int], *, words: bool = False, delimiter: str = " "
    ) -> tuple[list[Encoding], dict[int, InputError]]:
        texts, errors = readable(items, indices, words=words)
        tokenize = partial(self._text.encode_words, delimiter=delimiter) if words else self._text.encode
        try:
            encodings = tokenize(texts)
        except TokenizerError:
            encodings = []
            for text in range(len(texts)):
                try:
                    encodings += tokenize(texts[text : text + 1])
                except TokenizerError:
                    encodings.append(NOTHING)
                    errors.setdefault(text, input_error("tokenizer_fails", index=indices[text]))
        for text in errors:
            encodings[text] = NOTHING
        # An id beyond the embedding would crash the engine.
        if encodings and np.concatenate([encoding.ids for encoding in encodings]).max(initial=0) >= self.vocabulary:
            for text, encoding in enumerate(encodings):
                if encoding.ids.max(initial=0) >= self.vocabulary:
                    encodings[text] = NOTHING
                    errors[text] = input_error("id_outside", size=self.vocabulary)
        return encodings, errors

    @cached_property
    def _probe(self) -> Encoding:
        """The special tokens of any one text show those of all texts."""
        return self._text.encode(["a"])[0]

    def _cut_hf(
        self,
        encodings: Sequence[Encoding],
        errors: Mapping[int, InputError],
        options: BoundOptions,
        stride: int,
        most_tokens: int | None,
    ) -> Batch:
        assert isinstance(self._text, FastTokenizer)  # checked by `bind`
        from_end = self._text.cuts_left
        windows = hf_windows(encodings, self._hf_max_length, stride, from_end=from_end, most=most_tokens)
        good = [encoding for text, encoding in enumerate(encodings) if text not in errors]
        parts = self._text.overflow(good, self._hf_max_length, stride)
        flat = tuple(part for of_text in parts for part in of_text if len(part.ids))
        return Batch(tuple(encodings), tuple(windows), options, errors, flat)

    def _hf(self, batch: Batch, logits: Sequence[np.ndarray], options: TagOptions) -> list[list[Span]]:
        """Decode with Hugging Face's strategies: whole texts, or window by window under its stride rule."""
        if batch.hf_parts is None:
            rows = self.rows(batch, logits)
            return [self._hf_one(e, row, options) for e, row in zip(batch.encodings, rows, strict=True)]
        found: list[list[Span]] = [[] for _ in batch.encodings]
        counts = Counter(window.text for window in batch.windows)
        for window, part, row in zip(batch.windows, batch.hf_parts, logits, strict=True):
            found[window.text].extend(self._hf_one(part, row, options))
        return [merge_windows(row) if counts[text] > 1 else row for text, row in enumerate(found)]

    def _viterbi(self, batch: Batch, logits: Sequence[np.ndarray], options: TagOptions) -> list[list[Span]]:
        """Decode with the default strategy: average the windows' distributions, then decode each whole text once."""
        if not len(logits):
            return [[] for _ in batch.encodings]
        chances = scores.probabilities(np.concatenate(logits), multi_label=self.multi_label)
        ends = np.cumsum([len(row) for row in logits]).tolist()
        parts = [chances[start:end] for start, end in pairwise([0, *ends])]
        return spans.decode(
            batch.encodings,
            stitch(batch.encodings, batch.windows, parts, len(self.id2label), causal=self.causal),
            self.scheme,
            names=self.names.types,
            words=self.words,
            ignore_labels=options.ignore_labels,
            biases=self.biases,
            multi_label=self.multi_label,
            least=options.least if options.each_word else None,
        )

    def _hf_one(self, encoding: Encoding, logits: np.ndarray, options: TagOptions) -> list[Span]:
        pieces, unk, subword = self._text.pieces(encoding)
        strategy, ignored = options.aggregation_strategy, options.ignore_labels
        names = self.names.labels if strategy == "none" else self.names.groups
        labels, to_string = self.scheme.labels, self._text.to_string
        return hf_spans(encoding, pieces, unk, subword, logits, strategy, labels, names, ignored, to_string)
