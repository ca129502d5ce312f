"""How fast a model is here, text in and spans out: each precision in a process of its own, in turns."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from vtag.errors import VtagError, error

if TYPE_CHECKING:
    import numpy as np

    from vtag.engine.llm import LLM
    from vtag.engine.products import Products

# As arguments of `LLM`.
PRECISIONS: dict[str, dict[str, str]] = {
    "bfloat16": {"dtype": "bfloat16"},
    "int8": {"quantization": "int8"},
    "float32": {"dtype": "float32"},
}
REFERENCE = "float32"  # the labels are compared with its labels
# Errors that say that a model, or a machine, has no such precision.
LACKING = ("int8_on_gpu", "nothing_int8", "quantised_float32")
# BERTs of random weights: what they compute is worth nothing, and takes as long as what trained ones compute.
SHAPES: dict[str, dict[str, int]] = {
    "base": {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
    "minilm": {"num_hidden_layers": 6, "hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536},
    "tiny": {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512},
}
# 495 texts of tests/data/pii_synth_gold.jsonl.
TEXTS = Path(__file__).with_name("bench.jsonl")
ROUNDS = 5
# Seconds of a pass: the texts are gone through again until it takes that long, or are cut to what can be waited for.
LEAST, MOST = 2.0, 8.0
SAMPLE = 256


@dataclass(slots=True)
class Result:
    """Of one precision. Lists have a number for each round.

    start: seconds from the process's start until it has an engine. memory: the most it held, in bytes.
    seconds: of each pass. share: products at the speed they have alone, as a share of that time.
    peak: operations a second of the products alone. equal: share of the tokens with float32's label.
    refused: why it does not run here; then there is nothing else.
    """

    precision: str
    start: float = 0.0
    memory: int = 0
    seconds: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    equal: float | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What was run, and how each precision did. texts, tokens: of one pass, each text `times` times."""

    model: str
    shape: str | None
    processor: str
    cores: int
    texts: int
    tokens: int
    times: int
    results: list[Result]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; speeds are medians, with the slowest and the fastest round."""
        whole = asdict(self) | {"results": []}
        for result in self.results:
            whole["results"].append(asdict(result) | {"texts_per_second": self.speed(result)})
        return whole

    def speed(self, result: Result) -> dict[str, float]:
        """Texts a second: median, slowest and fastest round."""
        of = [self.texts / seconds for seconds in result.seconds]
        return {"median": median(of), "least": min(of), "most": max(of)} if of else {}


def bench(
    model: str | Path,
    texts: str | Path | None = None,
    *,
    shape: str | None = None,
    rounds: int = ROUNDS,
    watch: Callable[[str], None] = lambda doing: None,
) -> Report:
    """Measure a model on this machine.

    Args:
        model: as `LLM` takes it.
        texts: a file that `tag_files` could read, its texts in the field "text"; by default 495 that come with vtag.
        shape: "base", "minilm" or "tiny": a BERT of random weights with the tokenizer and labels of the model.
        rounds: how often each precision runs all texts, in turns.
        watch: told what begins.

    Raises VtagError.
    """
    if rounds < 1:
        raise error("bad_argument", name="rounds", value=rounds, expected="a whole number from 1 on")
    given = read(texts or TEXTS)
    results = {precision: Result(precision) for precision in PRECISIONS}
    with ExitStack() as stack:
        folder = str(model)
        if shape is not None:
            watch("making random weights")
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            with _process(random_weights, str(model), shape, folder) as made:
                made.answer()
        systems: dict[str, System] = {}
        for precision, result in results.items():
            watch(f"starting {precision}")
            begun = time.monotonic()
            system = stack.enter_context(_process(_serve, folder, PRECISIONS[precision]))
            try:
                system.answer()
            except VtagError as refused:
                if refused.kind not in LACKING:
                    raise
                result.refused = str(refused)
            else:
                result.start = time.monotonic() - begun
                systems[precision] = system
        watch("warming up")
        given, times = _pass(list(systems.values()), given)
        tokens = _compare(systems, given, results)
        for number in range(rounds):
            for precision, system in systems.items():
                watch(f"round {number + 1} of {rounds}: {precision}")
                _add(results[precision], *system.call(_measure, times))
        processor, cores = next(iter(systems.values())).call(_machine)
    return Report(
        str(model), shape, processor, cores, len(given) * times, tokens * times, times, list(results.values())
    )


def _compare(systems: dict[str, System], texts: list[str], results: dict[str, Result]) -> int:
    """Fill in how many labels are the reference's, and have each look at its products; gives the number of tokens."""
    labels = {precision: system.call(_labels, texts) for precision, system in systems.items()}
    for precision, of in labels.items():
        if REFERENCE in labels:
            results[precision].equal = float((of == labels[REFERENCE]).mean())
        systems[precision].call(_watch_products, texts)
    return len(next(iter(labels.values())))


def _add(result: Result, seconds: float, share: float | None, peak: float | None, memory: int) -> None:
    """One round's measurements."""
    result.seconds.append(seconds)
    result.memory = memory
    if share is not None and peak is not None:
        result.share.append(share)
        result.peak.append(peak)


def read(path: str | Path) -> list[str]:
    """The texts of a file; records that have none are left out."""
    from vtag.files import chunks, inputs

    fields = chunks.Fields(overwrite=True)
    found = inputs.find([str(path)])
    chunks.check(found, fields)
    texts = [text for chunk in chunks.read(found, 0, 0, fields) for text in chunk.texts]
    if not texts:
        raise error("no_texts", path=path)
    return texts


def random_weights(model: str, shape: str, folder: str) -> str:
    """A BERT of that shape with the tokenizer and the labels of `model`, in `folder`."""
    from vtag.system import environment

    environment.set_before_torch()
    from vtag.model.plan import plan

    made = plan(model)
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForTokenClassification

    tokenizer = AutoTokenizer.from_pretrained(made.checkpoint.folder)
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a team of workers of this thread's would stand beside the engine's
    config = BertConfig(
        **SHAPES[shape],
        vocab_size=len(tokenizer),
        id2label=made.id2label,
        label2id={label: i for i, label in made.id2label.items()},
    )
    with environment.quiet():
        BertForTokenClassification(config).save_pretrained(folder)
    torch.set_num_threads(threads)
    tokenizer.save_pretrained(folder)
    return folder


class System:
    """A process at the other end of a pipe."""

    def __init__(self, process: Any, pipe: Any) -> None:
        self.process = process
        self.pipe = pipe

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function(its state, *arguments)` gives there."""
        self.pipe.send((function, arguments))
        return self.answer()

    def answer(self) -> Any:
        """Its next answer; an error of vtag's that it met is raised here."""
        try:
            found = self.pipe.recv()
        except EOFError:
            self.process.join()
            raise error("bench_died", code=self.process.exitcode) from None
        if isinstance(found, VtagError):
            raise found
        return found


@contextmanager
def _process(target: Callable[..., Any], *arguments: Any) -> Iterator[System]:
    """A process, by spawn, that runs `target` and ends when this context does."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_child, args=(there, target, arguments))
    process.start()
    there.close()
    try:
        yield System(process, here)
    finally:
        here.close()
        process.join()


def _child(pipe: Any, target: Callable[..., Any], arguments: Sequence[Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its parent
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # whose memory would be another process's
    try:
        state = target(*arguments)
        pipe.send(None)
        while True:
            function, given = pipe.recv()
            pipe.send(function(state, *given))
    except (EOFError, BrokenPipeError):
        return
    except VtagError as failed:
        pipe.send(failed)
    except Exception as unexpected:
        if os.environ.get("VTAG_DEBUG"):
            traceback.print_exc()
        pipe.send(error("internal", type=type(unexpected).__name__))


@dataclass(slots=True)
class _State:
    llm: LLM
    texts: list[str] = field(default_factory=list)
    products: Products | None = None


def _serve(model: str, arguments: dict[str, str]) -> _State:
    from vtag import LLM

    return _State(LLM(model, **arguments))  # type: ignore[arg-type]


def _tag(state: _State, texts: Sequence[str], times: int = 1) -> float:
    """Seconds for the texts, so many times, to spans."""
    begun = time.perf_counter()
    for _ in state.llm.tag_stream(chain.from_iterable([texts] * times)):
        pass
    return time.perf_counter() - begun


def _labels(state: _State, texts: Sequence[str]) -> np.ndarray:
    """The likeliest label of each token, int16 [tokens], or every label's yes or no where it may have several."""
    import numpy as np

    rows = state.llm.run(state.llm.tagger.prepare(texts).windows)
    logits = np.concatenate(rows)
    return np.packbits(logits > 0, axis=1) if state.llm.tagger.multi_label else logits.argmax(1).astype(np.int16)


def _watch_products(state: _State, texts: Sequence[str]) -> None:
    from vtag.engine.products import products

    state.texts = list(texts)
    state.products = products(state.llm, state.llm.tagger.prepare(texts).windows)


def _measure(state: _State, times: int) -> tuple[float, float | None, float | None, int]:
    """Seconds of a pass, the share of its products in that, operations a second of these alone, bytes of memory."""
    seconds = _tag(state, state.texts, times)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    if state.products is None:
        return seconds, None, None, memory
    peak = state.products.speed(state.llm)
    return seconds, times * state.products.operations / peak / seconds, peak, memory


def _machine(state: _State) -> tuple[str, int]:
    from vtag.system import cpu, device

    if device.on_cuda():
        import torch

        return torch.cuda.get_device_name(), len(device.cores())
    from vtag.backend import kernels

    return f"{cpu.describe()}; int8: {kernels.about_int8()}", len(device.cores())


def _pass(systems: Sequence[System], texts: list[str]) -> tuple[list[str], int]:
    """The texts of a pass, and how often it goes through them; warms the systems up."""
    sample = texts[:SAMPLE]
    for system in systems:
        system.call(_tag, sample)
    slowest = max(system.call(_tag, sample) for system in systems)
    kept = texts[: max(1, int(MOST * len(sample) / slowest))]
    fastest = min(system.call(_tag, kept) for system in systems)
    return kept, max(1, round(LEAST / fastest))
