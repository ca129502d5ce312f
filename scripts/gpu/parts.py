"""What `check.py` looks at: a function for each part, which gives names and what to do for each.

    python scripts/gpu/parts.py PART FILE [--cpu] [--stacks SECONDS]

A row is the figures of one of them and "right"; where it raises, the error in a line. FILE is written anew after each.
--stacks: print where every thread is after so many seconds.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from itertools import chain, islice, repeat
from pathlib import Path
from statistics import median
from typing import Any

import without_gpu

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path += [str(ROOT), str(ROOT / "benchmarks" / "peers")]

Row = dict[str, Any]
Rows = Iterator[tuple[str, Callable[[], Row]]]

# A sample of both kinds of the packed route: one row of many texts, and texts of one length together.
ROW_TYPES = ("bert", "roberta", "modernbert", "electra", "albert", "openai_privacy_filter")
GROUP_TYPES = ("deberta-v2", "mpnet", "canine")
# How far logits, of a size of about one, may be from Hugging Face's in float32; in bfloat16, so many times as far as
# Hugging Face's own are.
NEAR, TIMES = 1e-3, 2.0
# Of the spans of vtag and of Hugging Face's pipeline, in bfloat16, as F1: random weights are seldom sure of a label.
SHARED = 0.9


@dataclass(frozen=True)
class Size:
    """How much to do. texts: of a pass of the shapes; seconds: of a load on the server."""

    device: str
    shapes: tuple[str, ...]
    texts: int
    rounds: int
    clients: tuple[int, ...]
    seconds: float
    row_types: tuple[str, ...]
    group_types: tuple[str, ...]


GPU = Size("cuda", ("base", "minilm"), 20_000, 3, (1, 32), 6.0, ROW_TYPES, GROUP_TYPES)
CPU = Size("cpu", ("tiny",), 300, 1, (1, 4), 1.0, ROW_TYPES[:2], GROUP_TYPES[:1])


def version(package: str) -> str | None:
    """As it is installed, None where it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def document(size: Size, folder: Path) -> Rows:
    """What this runs on; and the lines of the document that vtag implements, on random models."""
    import models
    import torch
    import vllm
    from vllm import LLM

    from vtag.system import cpu
    from vtag.system import device as host

    def versions() -> Row:
        found = {name: version(name) for name in ("torch", "triton", "transformers", "tokenizers", "vllm-vtag")}
        found |= {"vllm": vllm.__version__, "cuda": torch.version.cuda}
        return {"right": True, "python": sys.version.split()[0], **found}

    def device() -> Row:
        cores = len(host.cores())
        if size.device == "cpu":
            return {"right": not host.on_cuda(), "name": cpu.describe(), "cores": cores}
        free, total = torch.cuda.mem_get_info()
        return {
            "right": host.on_cuda(),
            "name": torch.cuda.get_device_name(),
            "capability": ".".join(map(str, torch.cuda.get_device_capability())),
            "free_gib": round(free / 2**30, 1),
            "total_gib": round(total / 2**30, 1),
            "cores": cores,
        }

    def lines(model_type: str) -> Row:
        model = str(models.build(model_type, size.shapes[-1], folder / model_type, ["A", "B"]))
        llm = LLM(model=model, task="token_classification", model_config={"num_labels": 2})
        texts = ["The quick brown fox jumps over the lazy dog.", *models.texts()[:20]]
        token_logits = llm.encode(texts[0])[0].data
        probabilities = torch.nn.functional.softmax(torch.tensor(token_logits), dim=-1)
        assert torch.allclose(probabilities.sum(-1), torch.ones(len(token_logits))), "no probabilities"
        return compared(llm, model, texts, size.device)

    yield "versions", versions
    yield "device", device
    for model_type in models.TOKENIZERS:
        yield model_type, partial(lines, model_type)


def compared(llm: Any, model: str, texts: list[str], device: str) -> Row:
    """How far its logits, and Hugging Face's in its dtype, are from Hugging Face's in float32. Closes it."""
    from tests.parity.huggingface import largest_difference

    with llm:
        dtype = llm.plan.arguments["dtype"]
        rows = [output.data for output in llm.encode(texts, use_tqdm=False)]
    exact, own = (hugging_face(model, texts, name, device) for name in ("float32", dtype))
    far, itself = largest_difference(rows, exact), largest_difference(own, exact)
    right = far <= max(NEAR, TIMES * itself)
    return {"right": right, "dtype": dtype, "off": digits(far), "hugging_face_off": digits(itself)}


def hugging_face(model: str, texts: list[str], dtype: str, device: str) -> list[Any]:
    """Logits of each text by Hugging Face's module, one text at a time, float32 [tokens, labels]."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    module = AutoModelForTokenClassification.from_pretrained(model, dtype=getattr(torch, dtype)).eval().to(device)
    with torch.inference_mode():
        inputs = (tokenizer(text, return_tensors="pt").to(device) for text in texts)
        return [module(**of_text).logits[0].float().cpu().numpy() for of_text in inputs]


def parity(size: Size, folder: Path) -> Rows:
    """Logits against Hugging Face's on the same device, in both dtypes, of small models of many architectures."""
    import random

    import torch
    from transformers import AutoTokenizer

    from tests.parity.checkpoints import build
    from tests.parity.huggingface import prompts
    from vtag import LLM

    def compare(model_type: str, dtype: str) -> Row:
        model = str(folder / model_type)
        if not Path(model).exists():
            build(model_type, Path(model), seed=1)
        tokenizer = AutoTokenizer.from_pretrained(model)
        texts = [prompt.text for prompt in prompts(tokenizer, 100, random.Random(0)) if prompt.special]
        return compared(LLM(model, dtype=dtype), model, texts, size.device)

    torch.set_float32_matmul_precision("highest")
    for model_type in (*size.row_types, *size.group_types):
        for dtype in ("float32", "bfloat16"):
            yield f"{model_type} {dtype}", partial(compare, model_type, dtype)


def stream(size: Size, folder: Path) -> Rows:
    """Texts a second, text to spans, beside Hugging Face in bfloat16: by hand in sorted batches, and its pipeline."""
    import models
    import system
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    from vtag import LLM
    from vtag.text.batching import BATCH_TEXTS

    # The CPU's sizes of batches leave a GPU idle.
    system.BATCH_TOKENS = (*system.BATCH_TOKENS, 16_384, 32_768, 65_536)

    def measure(shape: str) -> Row:
        model = models.build("bert", shape, folder / shape)
        texts = list(islice(chain.from_iterable(repeat(models.texts())), size.texts))
        module = AutoModelForTokenClassification.from_pretrained(model, dtype=torch.bfloat16).eval().to(size.device)

        @torch.inference_mode()
        def forward(batches: list[Any]) -> list[Any]:
            inputs = ((torch.from_numpy(part).to(size.device) for part in batch) for batch in batches)
            return [module(input_ids=ids, attention_mask=mask).logits.float().cpu().numpy() for ids, mask in inputs]

        by_hand = system.Sorted(model, forward, texts[: len(texts) // 8])
        tokenizer = AutoTokenizer.from_pretrained(model)
        shipped = pipeline("token-classification", model=module, tokenizer=tokenizer, aggregation_strategy="simple")
        with LLM(model, dtype="bfloat16") as llm:

            def logits(given: list[str]) -> None:
                for at in range(0, len(given), BATCH_TEXTS):
                    llm.run(llm.tagger.prepare(given[at : at + BATCH_TEXTS]).windows)

            systems: dict[str, tuple[Callable[[list[str]], Any], int]] = {
                "vtag": (lambda given: list(llm.tag_stream(given)), 1),
                "vtag_simple": (lambda given: list(llm.tag_stream(given, aggregation_strategy="simple")), 1),
                "vtag_logits": (logits, 1),
                "sorted": (lambda given: by_hand(given, True), 8),
                "sorted_logits": (lambda given: by_hand(given, False), 1),
                "pipeline": (lambda given: shipped(given, batch_size=32), 16),
            }
            speeds: dict[str, list[float]] = {name: [] for name in systems}
            for number in range(size.rounds + 1):
                for name, (run, share) in systems.items():
                    given = texts[: max(64, len(texts) // share)]
                    begun = time.perf_counter()
                    run(given)
                    if number:  # the first warms up
                        speeds[name].append(len(given) / (time.perf_counter() - begun))
            spans = sum(map(len, llm.tag_stream(texts[:200]))) / len(texts[:200])
            ours = spans_of(llm(texts[:200]))
        theirs = spans_of(shipped(texts[:200], batch_size=32))
        shared = 2 * len(ours & theirs) / (len(ours) + len(theirs))
        found = {f"{name}_texts_s": round(median(of)) for name, of in speeds.items()}
        spread = {f"{name}_spread": f"{min(of):.0f}-{max(of):.0f}" for name, of in speeds.items()}
        about = {"spans_a_text": round(spans, 2), "spans_shared": round(shared, 3), "sorted_batch_tokens": by_hand.size}
        return {"right": shared >= SHARED, **found, **about, **spread}

    for shape in size.shapes:
        yield shape, partial(measure, shape)


def spans_of(found: Any) -> set[tuple[int, int, int, str]]:
    """Text, start, end and type of each span in the lists of dicts of a pipeline."""
    return {(i, one["start"], one["end"], one["entity_group"]) for i, of in enumerate(found) for one in of}


def serve(size: Size, folder: Path) -> Rows:
    """`vtag serve` under some clients, each with one text at a time."""
    import models
    import serving

    model = models.build("bert", size.shapes[0], folder / "served")
    log = folder / "server.log"
    with serving.server(model, log) as url:
        for clients in (1, *size.clients):  # the first warms up, and the second takes its place
            name = f"{clients} client{'s' if clients > 1 else ''}"
            yield name, partial(serving.load, url, models.texts(), clients, size.seconds)


def memory(size: Size, folder: Path) -> Rows:
    """What a process with a model holds after long texts, and whether that grows."""
    import models

    from vtag import LLM

    def measure() -> Row:
        model = models.build("bert", size.shapes[0], folder / "held")
        long = [" ".join(models.texts()[at : at + 30]) for at in range(0, 400 if size.device == "cuda" else 40, 2)]
        with LLM(model) as llm:
            held = []
            for _ in range(8):
                llm.tag(long, use_tqdm=False)
                gc.collect()
                held.append(resident())
            gpu = gpu_memory() if size.device == "cuda" else {}
        grown = held[-1] - held[3]  # the first passes fill caches
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        found: Row = {"right": grown < 0.03 * held[3], "process_mib": round(held[-1]), "most_mib": most}
        found |= {"grown_mib": round(grown), **gpu}
        if size.device == "cuda":
            found |= {f"{name}_after_close": value for name, value in gpu_memory().items()}
        return found

    yield size.shapes[0], measure


def gpu_memory() -> Row:
    """MiB of the GPU: the most that tensors took, what torch keeps, and what all processes have."""
    import torch

    free, total = torch.cuda.mem_get_info()
    found = {"most": torch.cuda.max_memory_allocated(), "kept": torch.cuda.memory_reserved(), "used": total - free}
    return {f"gpu_{name}_mib": value >> 20 for name, value in found.items()}


def resident() -> float:
    """MiB that this process holds."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def native(size: Size, folder: Path) -> Rows:
    """A Qwen2 head on vLLM's own decoder; on a GPU with attention by Triton and layers by torch, which need no kernel
    of vLLM's."""
    from tests.parity.checkpoints import build
    from vtag import LLM

    settings: dict[str, Any] = {}
    if size.device == "cuda":
        settings = {
            "attention_backend": "TRITON_ATTN",
            "enforce_eager": True,
            "compilation_config": {"custom_ops": ["none"]},
            "kernel_config": {"ir_op_priority": {"rms_norm": ["native"], "fused_add_rms_norm": ["native"]}},
            "gpu_memory_utilization": 0.3,
        }

    def qwen2() -> Row:
        model = str(build("qwen2", folder / "qwen2", seed=1))
        texts = ["anna called from paris", "please send it to bob at acme before monday", "london"]
        llm = LLM(model, **settings)
        assert not llm.packed, "it ran on the packed route"
        return compared(llm, model, texts, size.device)

    yield "qwen2", qwen2


def names(size: Size, folder: Path) -> Rows:
    """Which names of vLLM, torch and others do not hold here (`vtag doctor`)."""
    from vtag.compat.contract import check
    from vtag.compat.rows import ROWS
    from vtag.system import environment

    def rows() -> Row:
        with environment.quiet():
            broken = [str(line) for line in check(ROWS)]
        return {"right": not broken, "hold": len(ROWS) - len(broken), "of": len(ROWS), "broken": broken}

    yield "rows", rows


PARTS: dict[str, Callable[[Size, Path], Rows]] = {
    "document": document,
    "parity": parity,
    "stream": stream,
    "serve": serve,
    "memory": memory,
    "native": native,
    "names": names,
    "as_cuda": without_gpu.as_cuda,
    "runner_of_gpus": without_gpu.runner_of_gpus,
}


def digits(value: float) -> float:
    """With two digits."""
    return float(f"{value:.1e}")


def in_a_line(error: BaseException) -> str:
    """The error and what it came from, without line breaks, 500 characters of it."""
    said = []
    at: BaseException | None = error
    while at is not None:
        said.append(f"{type(at).__name__}: {at}")
        at = at.__cause__ or at.__context__
    return " <- ".join(" ".join(line.split()) for line in said)[:500]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("file", type=Path)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--stacks", type=float, metavar="SECONDS")
    args = parser.parse_args()
    if args.stacks:
        faulthandler.dump_traceback_later(args.stacks)
    found: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in PARTS[args.part](CPU if args.cpu else GPU, Path(folder)):
            begun = time.monotonic()
            try:
                row = measure()
            except Exception as error:
                traceback.print_exc()
                row = {"right": False, "error": in_a_line(error)}
            found[name] = row | {"seconds": round(time.monotonic() - begun, 1)}
            written = args.file.with_suffix(".new")
            written.write_text(json.dumps(found), "utf-8")
            written.replace(args.file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
