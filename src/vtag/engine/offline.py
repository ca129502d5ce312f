"""vLLM's `LLM` for token classification: `LLM(model=..., task="token_classification").encode(text)[0].data`."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import vllm
from tqdm.auto import tqdm
from vllm import PoolingParams
from vllm.outputs import PoolingOutput

from vtag.engine import adapters, defaults, registry
from vtag.engine.packing import blocks, packs
from vtag.engine.plan import TASK, plan
from vtag.errors import VtagError, error
from vtag.output import TokenClassificationOutput
from vtag.tagger import DEFAULT_STRATEGY, Batch
from vtag.types import Span, Window

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest


class LLM(vllm.LLM):
    """A token classifier on vLLM, offline.

    Args:
        model: a folder, "demo", or a hub id.
        task: "token_classification".
        model_config: `{"num_labels": n}` and `{"id2label": {...}}`. Where the checkpoint has a head, n must be
            its size; where it has none, a head of n labels is newly initialised.
        scheme: tag scheme of the labels, where their names do not tell ("BIO", "BIOES", ...).
        words_rule: how the tokens of a word become one label: "auto", "first", "mean" or "token".
        operating_point: which point of the model's viterbi_calibration.json, if it ships one.
        kwargs: every engine argument of `vllm.LLM`; what is not given gets settings that suit this machine.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        task: str = TASK,
        model_config: dict[str, Any] | None = None,
        scheme: str | None = None,
        words_rule: str = "auto",
        operating_point: str = "default",
        **kwargs: Any,
    ) -> None:
        made = plan(
            model,
            task=task,
            model_config=model_config,
            scheme=scheme,
            words_rule=words_rule,
            operating_point=operating_point,
            **kwargs,
        )
        self.plan = made
        with defaults.environment():
            registry.load(made.architecture)
            # The engine looks through all objects several times while it starts: not through those of its libraries.
            gc.freeze()
            try:
                super().__init__(**made.arguments)
            except VtagError:
                raise
            except Exception as cause:
                raise error("engine_failed", model=made.name, reason=_reason(cause)) from cause
        self._outlive_others()
        self.tagger = made.tagger(self.get_tokenizer())
        self._pack_tokens: int = self.llm_engine.vllm_config.scheduler_config.max_num_batched_tokens

    @property
    def id2label(self) -> dict[int, str]:
        """The labels."""
        return self.plan.id2label

    @property
    def packed(self) -> bool:
        """Whether many texts share a request, or vLLM runs its own decoder."""
        return self.plan.packed

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
        """Logits of every token, special tokens included, one `TokenClassificationOutput` per prompt.

        Equal to Hugging Face's `model(**tokenizer(text)).logits[0]`; a text longer than the model takes runs in
        overlapping windows. With `pooling_params` or `pooling_task` the call goes to vLLM untouched.

        Args:
            prompts: a string, token ids, or a list of either; vLLM's prompt dicts too.
        """
        if pooling_params is not None or pooling_task is not None:
            return super().encode(
                prompts,
                pooling_params,
                use_tqdm=use_tqdm,
                lora_request=lora_request,
                pooling_task=pooling_task,
                tokenization_kwargs=tokenization_kwargs,
            )
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
                    tokens=self.tagger.pieces(encoding),
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
        use_tqdm: bool | Callable[..., tqdm] = True,
        **options: Any,
    ) -> list[list[Span]]:
        """Labelled spans of each text, in order: of one text, or many, or texts already split into words.

        Options are those of `tag_stream`.
        """
        given: Any = texts if words is None else words
        given = [given] if given is None or isinstance(given, str) else list(given)
        if words is not None and given and isinstance(given[0], str):
            given = [given]
        stream = self.tag_stream(words=given, **options) if words is not None else self.tag_stream(given, **options)
        found: list[list[Span]] = []
        with _progress_bar(use_tqdm, len(given)) as bar:
            for spans in stream:
                found.append(spans)
                bar.update()
        return found

    def tag_stream(
        self,
        texts: Iterable[str] | None = None,
        *,
        words: Iterable[Sequence[str]] | None = None,
        aggregation_strategy: str = DEFAULT_STRATEGY,
        ignore_labels: Sequence[str] = ("O",),
        threshold: float | Mapping[str, float] | None = None,
        stride: int | None = None,
        delimiter: str = " ",
        lora_request: LoRARequest | None = None,
    ) -> Iterator[list[Span]]:
        """Labelled spans of each text of a stream, in order, in flat memory: a few thousand texts are read ahead.

        While the engine runs one block of texts, another thread decodes the block before and tokenizes the next.

        Args:
            texts: the texts.
            words: instead of them, texts already split into words; offsets refer to `delimiter.join(words)`.
            aggregation_strategy: "viterbi", or one of Hugging Face's: "none", "simple", "first", "average", "max".
            ignore_labels: labels (of the spans) to leave out.
            threshold: drop spans with a lower score; by label if it is a dict ("*": all others).
            stride: tokens that neighbouring windows of a long text share; a quarter of the window by default.
        """
        given: Any = texts if words is None else words
        read = blocks([given] if given is None or isinstance(given, str) else given)

        def prepare() -> Batch | None:
            block = next(read, None)
            if block is None:
                return None
            first, items = block
            named: dict[str, Any] = {"texts": items} if words is None else {"words": items}
            return self.tagger.prepare(
                **named,
                stride=stride,
                delimiter=delimiter,
                aggregation_strategy=aggregation_strategy,
                first=first,
            )

        def finish(batch: Batch, logits: list[np.ndarray]) -> list[list[Span]]:
            return self.tagger.finish(batch, logits, ignore_labels=ignore_labels, threshold=threshold)

        with ThreadPoolExecutor(1, thread_name_prefix="vtag-host") as host:
            finishing: Future[list[list[Span]]] | None = None
            batch = prepare()
            while batch is not None:
                preparing = host.submit(prepare)
                logits = self.run(batch.windows, lora_request=lora_request)
                if finishing is not None:
                    yield from finishing.result()
                finishing = host.submit(finish, batch, logits)
                batch = preparing.result()
            if finishing is not None:
                yield from finishing.result()

    def run(
        self,
        windows: Sequence[Window],
        *,
        bar: Any = None,
        lora_request: list[LoRARequest] | LoRARequest | None = None,
    ) -> list[np.ndarray]:
        """Logits of each window, float32 [tokens, labels]; `lora_request`: one for all, or a list with one per text."""
        if lora_request:
            self._check_lora(lora_request)
        lengths = [len(window.ids) for window in windows]
        requests = list(packs(lengths, self._pack_tokens)) if self.packed else [[i] for i in range(len(windows))]
        logits: list[Any] = [None] * len(windows)
        for request, rows in self._run_apart(windows, requests, lora_request):
            sizes = np.cumsum([lengths[i] for i in request])[:-1]
            for i, row in zip(request, np.split(rows, sizes), strict=True):
                logits[i] = row
            if bar is not None:
                bar.update(len(request))
        return logits

    def _run_apart(self, windows: Sequence[Window], requests: Sequence[Any], lora_request: Any) -> Any:
        """As `_run_requests`, first those without an adapter: beside one that has an adapter, vLLM's CPU kernels
        would give it to them as well."""
        if not isinstance(lora_request, list):
            return self._run_requests(windows, requests, lora_request)
        without = [request for request in requests if lora_request[windows[request[0]].text] is None]
        rest = [request for request in requests if lora_request[windows[request[0]].text] is not None]
        return chain.from_iterable(self._run_requests(windows, part, lora_request) for part in (without, rest))

    def _run_requests(self, windows: Sequence[Window], requests: Sequence[Any], lora_request: Any) -> Any:
        """Feed the engine, a few requests ahead of it; yields (request, float32 [tokens, labels]) as they finish."""
        engine = self.llm_engine
        # A packed request fills a step of the engine by itself.
        ahead = 4 if self.packed else 2 * engine.vllm_config.scheduler_config.max_num_seqs
        waiting = iter(requests)
        running: dict[str, Any] = {}
        try:
            while True:
                while len(running) < ahead and (request := next(waiting, None)) is not None:
                    key = str(next(self.request_counter))
                    params = PoolingParams(task="token_classify", use_activation=False)
                    if self.packed:
                        params.extra_kwargs = {"lens": [len(windows[i].ids) for i in request]}
                    ids = np.concatenate([windows[i].ids for i in request])
                    if ids.max() >= self.plan.vocabulary:
                        raise error("id_outside", size=self.plan.vocabulary)
                    lora = lora_request[windows[request[0]].text] if isinstance(lora_request, list) else lora_request
                    engine.add_request(
                        key, {"type": "token", "prompt_token_ids": ids.tolist()}, params, lora_request=lora
                    )
                    running[key] = request
                if not running:
                    return
                for output in engine.step():
                    yield running.pop(output.request_id), output.outputs.data.float().numpy()
        finally:
            if running:
                engine.abort_request(list(running))

    def _check_lora(self, lora_request: list[LoRARequest] | LoRARequest) -> None:
        if self.packed:
            raise error("packed_lora")
        asked = lora_request if isinstance(lora_request, list) else [lora_request]
        for request in {request.lora_int_id: request for request in asked if request is not None}.values():
            adapters.check(request, self.llm_engine.vllm_config.lora_config)

    def _outlive_others(self) -> None:
        """Keep this engine working when another one of this process is collected.

        vLLM's in-process engine takes the process's distributed groups down with it, also under its neighbours
        (`llm = LLM(a)`, then `llm = LLM(b)` in a notebook): only the last engine of vtag may do that.
        """
        client = self.llm_engine.engine_core
        core = getattr(client, "engine_core", None)
        if core is None:
            return
        client._finalizer.detach()
        _in_process.add(core)
        client._finalizer = weakref.finalize(client, _shut_down, core)


_in_process: set[Any] = set()


def _shut_down(core: Any) -> None:
    _in_process.discard(core)
    if _in_process:
        core.model_executor.shutdown()
        core.scheduler.shutdown()
    else:
        core.shutdown()


def _progress_bar(use_tqdm: bool | Callable[..., tqdm], total: int) -> Any:
    """A bar that shows itself only where the work takes more than a moment."""
    if callable(use_tqdm):
        return use_tqdm(total=total)
    return tqdm(total=total, desc="Tagging", unit="text", delay=1, disable=not use_tqdm, leave=False)


def _reason(cause: Exception) -> str:
    """One line: the first thing that pydantic complains of, else the first line of the message."""
    complaints: list[dict[str, Any]] = getattr(cause, "errors", list)()
    if complaints:
        return ": ".join([*map(str, complaints[0]["loc"]), complaints[0]["msg"]])
    return next((line for line in map(str.strip, str(cause).splitlines()) if line), type(cause).__name__)
