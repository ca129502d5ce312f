"""vLLM's `LLM` for token classification: `LLM(model=..., task="token_classification").encode(text)[0].data`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from tqdm.auto import tqdm
from vllm import PoolingParams
from vllm.outputs import PoolingOutput

from vtag.backend import registry
from vtag.backend.packed.model import text_lens
from vtag.compat import vllm_tokenizers
from vtag.compat.vllm_engine import CheckedLLM
from vtag.engine.pipeline import TextBatch, batches_of, flow
from vtag.engine.runner import Runner
from vtag.engine.thread import EngineThread, free, libraries_frozen
from vtag.errors import InputError, VtagError, error, short
from vtag.model import arguments
from vtag.model.identity import identity
from vtag.model.plan import TASK, Plan, make_plan
from vtag.options import DEFAULT_STRATEGY, DEFAULTS, BoundOptions, TagOptions
from vtag.output import TokenClassificationOutput
from vtag.redact.policy import PolicySource
from vtag.redact.stream import StreamRedactor, fed
from vtag.redact.text import Redactor
from vtag.system import device, environment
from vtag.text.batching import batches
from vtag.text.inputs import validate_texts
from vtag.types import Answer, ChunkAnswers, Redacted, Span, Window, to_hf

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest


class LLM(CheckedLLM):
    """A token classifier on vLLM, offline: vLLM's own `LLM`, with logits of every token and labelled spans.

    Any number of threads may use one `LLM`. It is a context manager: `with LLM(...) as llm:` closes it.

    Args:
        model: a folder, "demo", or a hub id.
        task: "token_classification".
        model_config: `{"num_labels": n}` and `{"id2label": {...}}`. If the checkpoint has a head, n must be its
            size; if it has none, a head of n labels is newly initialised.
        label_map: other names of types in all answers, `{"PER": "PERSON"}`; "" leaves a type out. Several types may
            share a name; their spans stay apart.
        scheme: tag scheme of the labels, if their names do not show it ("BIO", "BIOES", ...).
        words_rule: how the tokens of a word become one label: "auto", "first", "mean" or "token".
        operating_point: a point of the model's viterbi_calibration.json, if it ships one.
        kwargs: engine arguments of `vllm.LLM`; vtag's defaults suit this machine.

    Attributes:
        id2label: the labels, as answers have them.
        packed: whether many texts share a request, or vLLM runs its own decoder.

    Raises:
        ModelError: for a model that cannot be loaded or has no token-classification head; before an engine starts.
        SettingError: for an argument that vLLM or vtag does not know, or that does not fit the model.
        EngineError: if the engine cannot start on this machine.
    """

    id2label: dict[int, str]
    packed: bool

    def __init__(
        self,
        model: str | Path,
        *,
        task: str = TASK,
        model_config: dict[str, Any] | None = None,
        label_map: Mapping[str, str] | None = None,
        scheme: str | None = None,
        words_rule: str = "auto",
        operating_point: str = "default",
        **kwargs: Any,
    ) -> None:
        with libraries_frozen():
            self._begin(
                make_plan(
                    model,
                    task=task,
                    model_config=model_config,
                    label_map=label_map,
                    scheme=scheme,
                    words_rule=words_rule,
                    operating_point=operating_point,
                    **kwargs,
                )
            )

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The LLM of an existing plan.

        Args:
            plan: of `vtag.model.plan.make_plan`: the model, looked at, and the engine's arguments.
        """
        llm = cls.__new__(cls)
        llm._begin(plan)
        return llm

    def _begin(self, plan: Plan) -> None:
        self.plan = plan
        self.tagger = plan.tagger
        self.id2label = plan.tagger.id2label
        self.packed = plan.packed

        def start() -> Any:
            super(LLM, self).__init__(**plan.arguments)
            return self.llm_engine

        with environment.for_engine():
            registry.load(plan.architecture)
            try:
                self._engine_thread = EngineThread(start)
            except VtagError:
                raise
            except Exception as cause:
                raise arguments.refusal(plan.name, cause) from cause
        self._runner = Runner(self._engine_thread, plan)
        self._helper = ThreadPoolExecutor(1, thread_name_prefix="vtag-text")

    def identity(self) -> dict[str, str]:
        """What its answers depend on, by name: files, settings, versions, the machine.

        Returns:
            What the journal of a file run holds; equal identities give equal answers.
        """
        return identity(self.plan)

    def __repr__(self) -> str:
        if self._closed():
            return "LLM(closed)"
        route = "packed" if self.packed else "native"
        kind = f"{len(self.id2label)} labels, {self.tagger.scheme.name}"
        return f"LLM({self.plan.name!r}: {kind}, {self.plan.arguments['dtype']}, {route})"

    def __call__(
        self,
        texts: str | Iterable[str] | None = None,
        *,
        words: Iterable[str] | Iterable[Sequence[str]] | None = None,
        aggregation_strategy: str = "simple",
        ignore_labels: Sequence[str] = ("O",),
        threshold: float | Mapping[str, float] | None = None,
        stride: int | None = None,
        delimiter: str = " ",
        lora_request: LoRARequest | None = None,
        use_tqdm: bool | Callable[..., tqdm] = True,
    ) -> list[dict[str, Any]] | list[list[dict[str, Any]]]:
        """The dicts of Hugging Face's TokenClassificationPipeline: a list for one text, a list of lists for many.

        With one of Hugging Face's strategies the answers are exactly Hugging Face's.

        Args:
            texts: one text or many.
            words: as in `tag_stream`.
            aggregation_strategy: as in `tag_stream`, with another default.
            ignore_labels: as in `tag_stream`.
            threshold: as in `tag_stream`.
            stride: as in `tag_stream`.
            delimiter: as in `tag_stream`.
            lora_request: as in `tag_stream`.
            use_tqdm: whether to show a progress bar, or a function that makes one.

        Returns:
            Dicts with `entity_group` (or `entity` and `index`), `score`, `word`, `start` and `end` (code points).

        Raises:
            InputError: for a text that cannot be tagged; nothing is returned then.
            SettingError: for an option that does not exist or does not fit the model.
        """
        found = self.tag(
            texts,
            words=words,
            aggregation_strategy=aggregation_strategy,
            ignore_labels=ignore_labels,
            threshold=threshold,
            stride=stride,
            delimiter=delimiter,
            lora_request=lora_request,
            use_tqdm=use_tqdm,
        )
        return to_hf(found[0] if isinstance(texts, str) else found)

    def encode(
        self,
        prompts: Any,
        pooling_params: PoolingParams | Sequence[PoolingParams] | None = None,
        *,
        use_tqdm: bool | Callable[..., tqdm] = True,
        lora_request: list[LoRARequest] | LoRARequest | None = None,
        pooling_task: Any = None,
        tokenization_kwargs: dict[str, Any] | None = None,
    ) -> list[Any]:
        """Logits of every token, special tokens included.

        Equal to Hugging Face's `model(**tokenizer(text)).logits[0]`; a text longer than the model's limit runs in
        overlapping windows. With `pooling_params` or `pooling_task` the call goes to vLLM unchanged, and a text longer
        than the limit is an error.

        Args:
            prompts: a string, token ids, or a list, generator, array or Series of either; vLLM's prompt dicts too.
            pooling_params: for a call that goes to vLLM unchanged.
            use_tqdm: whether to show a progress bar, or a function that makes one.
            lora_request: an adapter for all prompts, or one for each; on vLLM's own decoders.
            pooling_task: for a call that goes to vLLM unchanged.
            tokenization_kwargs: only for such a call.

        Returns:
            A `TokenClassificationOutput` for each prompt, in order: `.data` is float32 [tokens, labels].

        Raises:
            InputError: for a prompt that is neither text nor token ids of this model.
            SettingError: for `tokenization_kwargs` without `pooling_task`: whole texts are tokenized in one way.
        """
        self._engine_thread.check()
        if pooling_params is not None or pooling_task is not None:
            stock = partial(
                super().encode,
                prompts,
                pooling_params,
                use_tqdm=use_tqdm,
                lora_request=lora_request,
                pooling_task=pooling_task,
                tokenization_kwargs=tokenization_kwargs,
            )
            return self._engine_thread.call(stock)
        if tokenization_kwargs:
            raise error("no_tokenization_kwargs")
        batch = self.tagger.prepare_prompts(prompts)
        if isinstance(lora_request, list) and len(lora_request) != len(batch.encodings):
            raise error("lora_count", adapters=len(lora_request), texts=len(batch.encodings))
        with _progress_bar(use_tqdm, len(batch.windows)) as bar:
            logits = self.run(batch.windows, bar=bar, lora_request=lora_request)
        counts = np.bincount([window.text for window in batch.windows], minlength=len(batch.encodings))
        outputs: list[TokenClassificationOutput] = []
        for encoding, row, count in zip(batch.encodings, self.tagger.rows(batch, logits), counts, strict=True):
            ids = encoding.ids.tolist()
            outputs.append(
                TokenClassificationOutput(
                    data=row,
                    outputs=PoolingOutput(data=torch.from_numpy(row)),
                    tokens=self.tagger.token_strings(encoding),
                    token_ids=ids,
                    offsets=encoding.offsets,
                    labels=self.id2label,
                    windows=int(count),
                    request_id=str(len(outputs)),
                    prompt_token_ids=ids,
                    multi_label=self.tagger.multi_label,
                )
            )
        return outputs

    def tag(
        self,
        texts: str | Iterable[str] | None = None,
        *,
        words: Iterable[str] | Iterable[Sequence[str]] | None = None,
        aggregation_strategy: str = DEFAULT_STRATEGY,
        ignore_labels: Sequence[str] = ("O",),
        threshold: float | Mapping[str, float] | None = None,
        stride: int | None = None,
        delimiter: str = " ",
        lora_request: LoRARequest | None = None,
        use_tqdm: bool | Callable[..., tqdm] = True,
    ) -> list[list[Span]]:
        """Labelled spans of each text, in order: of one text, or many, or texts already split into words.

        Args:
            texts: one text or many.
            words: as in `tag_stream`.
            aggregation_strategy: as in `tag_stream`.
            ignore_labels: as in `tag_stream`.
            threshold: as in `tag_stream`.
            stride: as in `tag_stream`.
            delimiter: as in `tag_stream`.
            lora_request: as in `tag_stream`.
            use_tqdm: whether to show a progress bar, or a function that makes one.

        Returns:
            A list of spans for each text, also for one text. Offsets are code points, the end exclusive.

        Raises:
            InputError: for a text that cannot be tagged; nothing is returned then.
            SettingError: for an option that does not exist or does not fit the model, before any work.
        """
        options = TagOptions(aggregation_strategy, ignore_labels, threshold, stride)
        items, split = validate_texts(texts, words)
        stream = self._spans(items, split, options, delimiter, lora_request)
        found: list[list[Span]] = []
        with _progress_bar(use_tqdm, len(items) if isinstance(items, Sized) else None) as bar:
            for spans in stream:
                found.append(spans)
                bar.update()
        return found

    def redact(
        self,
        texts: str | Iterable[str],
        *,
        policy: PolicySource = None,
        contexts: Iterable[str] | None = None,
        lora_request: LoRARequest | None = None,
        use_tqdm: bool | Callable[..., tqdm] = True,
    ) -> list[Redacted]:
        """Texts without the values of their spans, in order, and what was replaced; see docs/guides/redact.md.

        Args:
            texts: one text or many.
            policy: what is done with each label: a dict, or a TOML or JSON file; None: [LABEL] in place of each span.
            contexts: for a policy that shifts dates by context, one string for each text.
            lora_request: as in `tag_stream`.
            use_tqdm: whether to show a progress bar, or a function that makes one.

        Returns:
            For each text the new one, what was replaced, and the mapping that leads back.

        Raises:
            SettingError: for a policy that cannot be meant or does not fit the model, and without its key.
            InputError: for a text that cannot be tagged; nothing is returned then.
        """
        redactor = Redactor.for_model(policy, self.tagger.names.of_spans)
        items, _ = validate_texts(texts, None)
        items = list(items)
        shared = redactor.contexts(contexts, len(items))
        found: list[Redacted] = []
        with _progress_bar(use_tqdm, len(items)) as bar:
            for spans in self._spans(items, False, redactor.options, " ", lora_request):
                at = len(found)
                found.append(redactor.redact(items[at], spans, shared[at], index=at))
                bar.update()
        return found

    def redact_stream(
        self,
        pieces: Iterable[str],
        *,
        policy: PolicySource = None,
        context: str | None = None,
        lora_request: LoRARequest | None = None,
    ) -> Iterator[Redacted]:
        """One text that comes in pieces, such as a model's answer, without the values of its spans.

        Each part of the new text is given as soon as it is final: nothing that it holds belongs to a span, whatever
        follows. Joined, the parts do not depend on where the pieces were cut. Of a text of less than 320 characters
        they are what `redact` gives; longer ones are tagged in segments with their context.

        Args:
            pieces: of the text, of any size. They are read in the caller's thread, and may come from this LLM.
            policy: as in `redact`, without `number` and `fake`, which need the whole text.
            context: for a policy that shifts dates by context.
            lora_request: as in `tag_stream`.

        Returns:
            The parts, in order; their replacements count code points from the start of the whole text.

        Raises:
            SettingError: as in `redact`, by the call itself.
            InputError: for a part that cannot be tagged; it is not given.
        """
        stream = StreamRedactor(Redactor.for_model(policy, self.tagger.names.of_spans), context)
        if isinstance(pieces, str):
            raise error("bad_argument", name="pieces", value="a string", expected="an iterable of strings")
        return self._redact_stream(stream, pieces, lora_request)

    def _redact_stream(
        self, stream: StreamRedactor, pieces: Iterable[str], lora_request: LoRARequest | None
    ) -> Iterator[Redacted]:
        options = self.tagger.bind(stream.options)
        for _ in fed(stream, pieces):
            while (text := stream.next()) is not None:
                # A passage is packed alone, so that its spans depend on nothing else in bfloat16 either.
                (chunk,) = self._flow([TextBatch([text])], False, options, lora_request=lora_request)
                (answer,) = chunk.answers
                if isinstance(answer, InputError):
                    raise answer
                made = stream.redact(answer)
                if made.text or made.replacements:
                    yield made

    def tag_stream(
        self,
        texts: str | Iterable[str] | None = None,
        *,
        words: Iterable[str] | Iterable[Sequence[str]] | None = None,
        aggregation_strategy: str = DEFAULT_STRATEGY,
        ignore_labels: Sequence[str] = ("O",),
        threshold: float | Mapping[str, float] | None = None,
        stride: int | None = None,
        delimiter: str = " ",
        lora_request: LoRARequest | None = None,
    ) -> Iterator[list[Span]]:
        """Labelled spans of each text of a stream, in order, in constant memory: up to 2,048 texts are read ahead.

        `texts` is read in the caller's thread, and may use this LLM itself. An error of a text or of the stream is
        raised after the spans of all texts before it; invalid options are refused by the call itself.

        Args:
            texts: one text, or an iterable of texts, which may be without end.
            words: instead of `texts`, texts already split into words; offsets refer to `delimiter.join(words)`.
            aggregation_strategy: "viterbi", or one of Hugging Face's: "none", "simple", "first", "average", "max".
            ignore_labels: labels (of the spans) to leave out.
            threshold: drop spans with a lower score, a probability; by label if it is a dict ("*": all others).
            stride: tokens that neighbouring windows of a long text share; a quarter of the window by default.
            delimiter: what stands between words.
            lora_request: an adapter for all texts; on vLLM's own decoders.

        Returns:
            The spans of each text. Offsets are code points, the end exclusive.

        Raises:
            InputError: for a text that cannot be tagged, after the spans of all texts before it.
            SettingError: for an option that does not exist or does not fit the model, by the call itself.
        """
        options = TagOptions(aggregation_strategy, ignore_labels, threshold, stride)
        items, split = validate_texts(texts, words)
        return self._spans(items, split, options, delimiter, lora_request)

    def tag_chunks(
        self,
        chunks: Iterable[Sequence[Any]],
        *,
        words: bool = False,
        aggregation_strategy: str = DEFAULT_STRATEGY,
        ignore_labels: Sequence[str] = ("O",),
        threshold: float | Mapping[str, float] | None = None,
        stride: int | None = None,
    ) -> Generator[tuple[list[Answer], int]]:
        """For each chunk the spans of its texts, equal to those of `tag(chunk)`, and how many tokens the engine ran.

        For work that may stop between two chunks and continue later: requests hold windows of one chunk only, so that
        its answers are the same bytes whatever comes before it. A text that cannot be tagged has its InputError in the
        place of its spans. One chunk is read ahead of the engine.

        Args:
            chunks: lists of texts, or of texts already split into words.
            words: whether they are split into words.
            aggregation_strategy: as in `tag_stream`.
            ignore_labels: as in `tag_stream`.
            threshold: as in `tag_stream`.
            stride: as in `tag_stream`.

        Returns:
            For each chunk its answers, and the number of tokens.

        Raises:
            SettingError: as in `tag_stream`.
        """
        options = TagOptions(aggregation_strategy, ignore_labels, threshold, stride)
        answered = self.answers(chunks, self.tagger.bind(options), words=words)
        return ((chunk.answers, chunk.tokens) for chunk in answered)

    def answers(
        self, chunks: Iterable[Sequence[Any]], options: BoundOptions = DEFAULTS, *, words: bool = False
    ) -> Generator[ChunkAnswers]:
        """As `tag_chunks`, with bound options, and with how each text was read.

        Args:
            chunks: as in `tag_chunks`.
            options: of `Tagger.bind`.
            words: as in `tag_chunks`.

        Returns:
            For each chunk its answers, the coverage of each text, and the number of tokens.
        """
        return self._flow(batches_of(chunks), words, options)

    def _spans(
        self, items: Iterable[Any], words: bool, options: TagOptions, delimiter: str, lora_request: LoRARequest | None
    ) -> Iterator[list[Span]]:
        """The spans of each text, or list of words; raises the error of a text at its place."""
        self._engine_thread.check()
        bound = self.tagger.bind(options)
        if not isinstance(delimiter, str):
            raise error("bad_argument", name="delimiter", value=short(delimiter), expected="a string")
        read = (TextBatch(block, first) for first, block in batches(items))
        answered = self._flow(read, words, bound, delimiter, lora_request)

        def stream() -> Iterator[list[Span]]:
            with closing(answered):
                for chunk in answered:
                    for answer in chunk.answers:
                        if isinstance(answer, InputError):
                            raise answer
                        yield answer

        return stream()

    def _flow(
        self,
        source: Iterable[TextBatch],
        words: bool,
        options: BoundOptions,
        delimiter: str = " ",
        lora_request: LoRARequest | None = None,
    ) -> Generator[ChunkAnswers]:
        """The answers of each chunk."""
        self._engine_thread.check()
        return flow(
            source,
            partial(self.tagger.prepare, options=options, words=words, delimiter=delimiter),
            partial(self._runner.start, lora_request=lora_request),
            self.tagger.finish,
            self._helper,
            apart=device.few_cores(),
        )

    def apply_model(self, func: Callable[[Any], Any]) -> list[Any]:
        """vLLM's method: the result of `func(model)`, called on the engine's thread between two steps.

        Args:
            func: gets the PyTorch module.
        """
        return self._engine_thread.call(partial(super().apply_model, func))

    def close(self) -> None:
        """End the engine and free its memory. Later calls raise an error, and so do calls of other threads that are
        under way.
        """
        self._engine_thread.close()
        if not self._closed():
            # Tokenizers refer to themselves: they would outlive a closed LLM that is still referenced.
            self.__dict__ = {name: self.__dict__[name] for name in ("id2label", "packed", "_engine_thread")}
            vllm_tokenizers.forget()
            free()

    def _closed(self) -> bool:
        return "_engine_thread" in self.__dict__ and "plan" not in self.__dict__

    def __getattr__(self, name: str) -> Any:
        """Raise the error for a closed LLM where an attribute is gone."""
        if not name.startswith("__") and self._closed():
            self._engine_thread.check()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(
        self,
        windows: Sequence[Window],
        *,
        bar: Any = None,
        lora_request: list[LoRARequest] | LoRARequest | None = None,
    ) -> list[np.ndarray]:
        """Logits of each window: what stands between the two halves of a `Tagger`.

        Args:
            windows: of a `Batch`.
            bar: a progress bar, which counts windows.
            lora_request: an adapter for all texts, or one for each.

        Returns:
            float32 [tokens, labels] for each window, special tokens included.

        Raises:
            EngineError: if the engine fails, or its logits are not finite.
        """
        return self._runner.run(windows, lora_request, bar)

    def _check_prompt(self, tokens: int, params: PoolingParams) -> None:
        """Check the length of a prompt in a call with `pooling_task`: vLLM's own limit is that of a packed request,
        which may be longer than a text.
        """
        longest = max(text_lens(params.extra_kwargs, tokens))
        if longest > self.plan.limit:
            raise error("prompt_too_long", tokens=longest, limit=self.plan.limit)


def _progress_bar(use_tqdm: bool | Callable[..., tqdm], total: int | None) -> Any:
    """A progress bar that appears only if the work takes longer than a moment."""
    if callable(use_tqdm):
        return use_tqdm(total=total)
    return tqdm(total=total, desc="Tagging", unit="text", delay=1, disable=not use_tqdm, leave=False)
