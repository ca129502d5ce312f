"""Measures each precision in a process of its own, in turns: speed, memory, and agreement with float32's labels."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from vtag.bench.models import random_weights
from vtag.bench.processes import EngineProcess, engine_process
from vtag.bench.texts import TEXTS, read
from vtag.errors import VtagError, error

if TYPE_CHECKING:
    import numpy as np

    from vtag import LLM
    from vtag.bench.matmul_probe import Matmuls

# Arguments of `LLM`.
PRECISIONS: dict[str, dict[str, str]] = {
    "bfloat16": {"dtype": "bfloat16"},
    "int8": {"quantization": "int8"},
    "float32": {"dtype": "float32"},
}
REFERENCE = "float32"  # the precision whose labels the others are compared with
# Errors that mean that a model, or a machine, does not support a precision.
LACKING = ("int8_on_gpu", "nothing_int8", "quantised_float32")
ROUNDS = 5
# Seconds of a pass: the texts are repeated, or cut, until it takes that long.
LEAST, MOST = 2.0, 8.0
SAMPLE = 256


@dataclass(slots=True)
class Result:
    """The result of one precision. Lists have one number a round.

    start: seconds from the process's start until its engine is ready. memory: the peak, in bytes.
    seconds: of each pass. share: the matmuls' time at their best speed, as a share of a pass.
    peak: operations a second of the matmuls alone. equal: share of the tokens with float32's label.
    refused: why the precision does not run here; then all else is empty.
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
    """What was run, and the result of each precision. texts, tokens: of one pass, with each text `times` times."""

    model: str
    shape: str | None
    processor: str
    cores: int
    texts: int
    tokens: int
    times: int
    results: list[Result]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; speeds are medians, with the slowest and the fastest round."""
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
        model: as in `LLM`.
        texts: a file in a format of `tag_files`, with its texts in the field "text"; by default 495 texts of vtag's
            own.
        shape: "base", "minilm" or "tiny": a BERT with random weights, and the tokenizer and labels of the model.
        rounds: how often each precision runs all texts, in turns.
        watch: called with each step that begins.

    Raises VtagError.
    """
    if rounds < 1:
        raise error("bad_argument", name="rounds", value=rounds, expected="a whole number from 1 on")
    texts_of_pass = read(texts or TEXTS)
    results = {precision: Result(precision) for precision in PRECISIONS}
    with ExitStack() as stack:
        folder = str(model)
        if shape is not None:
            watch("making random weights")
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            with engine_process() as process:
                process.start(random_weights, str(model), shape, folder)
        processes: dict[str, EngineProcess] = {}
        for precision, result in results.items():
            watch(f"starting {precision}")
            begun = time.monotonic()
            process = stack.enter_context(engine_process())
            try:
                process.start(_make, folder, PRECISIONS[precision])
            except VtagError as refused:
                if refused.kind not in LACKING:
                    raise
                result.refused = str(refused)
            else:
                result.start = time.monotonic() - begun
                processes[precision] = process
        watch("warming up")
        texts_of_pass, times = _pass(list(processes.values()), texts_of_pass)
        tokens = _compare(processes, texts_of_pass, results)
        for number in range(rounds):
            for precision, process in processes.items():
                watch(f"round {number + 1} of {rounds}: {precision}")
                _add(results[precision], *process.call(_measure, times))
        processor, cores = next(iter(processes.values())).call(_machine)
    return Report(
        str(model), shape, processor, cores, len(texts_of_pass) * times, tokens * times, times, list(results.values())
    )


def _compare(processes: dict[str, EngineProcess], texts: list[str], results: dict[str, Result]) -> int:
    """Compare labels with the reference's, record each engine's matmuls, and return the number of tokens."""
    labels = {precision: process.call(_labels, texts) for precision, process in processes.items()}
    for precision, of in labels.items():
        if REFERENCE in labels:
            results[precision].equal = float((of == labels[REFERENCE]).mean())
        processes[precision].call(_watch_matmuls, texts)
    return len(next(iter(labels.values())))


def _add(result: Result, seconds: float, share: float | None, peak: float | None, memory: int) -> None:
    """Add one round's measurements."""
    result.seconds.append(seconds)
    result.memory = memory
    if share is not None and peak is not None:
        result.share.append(share)
        result.peak.append(peak)


@dataclass(slots=True)
class _State:
    llm: LLM
    texts: list[str] = field(default_factory=list)
    matmuls: Matmuls | None = None


def _make(model: str, arguments: dict[str, str]) -> _State:
    from vtag import LLM

    return _State(LLM(model, **arguments))  # type: ignore[arg-type]


def _tag(state: _State, texts: Sequence[str], times: int = 1) -> float:
    """Seconds to tag the texts, `times` times."""
    begun = time.perf_counter()
    for _ in state.llm.tag_stream(chain.from_iterable([texts] * times)):
        pass
    return time.perf_counter() - begun


def _labels(state: _State, texts: Sequence[str]) -> np.ndarray:
    """The most probable label of each token, int16 [tokens], or each label's decision in multi-label models."""
    import numpy as np

    rows = state.llm.run(state.llm.tagger.prepare(texts).windows)
    logits = np.concatenate(rows)
    return np.packbits(logits > 0, axis=1) if state.llm.tagger.multi_label else logits.argmax(1).astype(np.int16)


def _watch_matmuls(state: _State, texts: Sequence[str]) -> None:
    from vtag.bench.matmul_probe import probe

    state.texts = list(texts)
    state.matmuls = probe(state.llm, state.llm.tagger.prepare(texts).windows)


def _measure(state: _State, times: int) -> tuple[float, float | None, float | None, int]:
    """Seconds of a pass, the matmuls' share of it, operations a second of the matmuls alone, bytes of memory."""
    seconds = _tag(state, state.texts, times)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    if state.matmuls is None:
        return seconds, None, None, memory
    peak = state.matmuls.speed(state.llm)
    return seconds, times * state.matmuls.operations / peak / seconds, peak, memory


def _machine(state: _State) -> tuple[str, int]:
    from vtag.system import cpu, device

    if device.on_cuda():
        import torch

        return torch.cuda.get_device_name(), len(device.cores())
    from vtag.backend import kernels

    return f"{cpu.describe()}; int8: {kernels.describe_int8()}", len(device.cores())


def _pass(processes: Sequence[EngineProcess], texts: list[str]) -> tuple[list[str], int]:
    """The texts of a pass, and how often it repeats them; warms the engines up."""
    sample = texts[:SAMPLE]
    for process in processes:
        process.call(_tag, sample)
    slowest = max(process.call(_tag, sample) for process in processes)
    kept = texts[: max(1, int(MOST * len(sample) / slowest))]
    fastest = min(process.call(_tag, kept) for process in processes)
    return kept, max(1, round(LEAST / fastest))
