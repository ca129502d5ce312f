"""vLLM without vtag: `LLM.encode`, as shipped or set by hand, `stock.py shipped|tuned`.

By hand: bfloat16, one process, both cores, no prefix cache, large steps, ids from one call of the tokenizer, texts in
order of length.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from system import Spans, serve

STEP = 8192  # tokens


def shipped(model: Path) -> Any:
    """What the documentation says."""
    from vllm import LLM

    # By default it wants 0.92 of the memory of a NUMA node, of which it uses nothing, and which is rarely free.
    llm = LLM(str(model), runner="pooling", gpu_memory_utilization=0.3)
    to_spans = Spans(model)

    def run(texts: list[str], spans: bool) -> Any:
        outputs = llm.encode(texts, pooling_task="token_classify", use_tqdm=False)
        logits = [output.outputs.data.float().numpy() for output in outputs]
        # It gives no offsets.
        return [*map(to_spans, texts, to_spans.tokenizer(texts).encodings, logits)] if spans else logits

    return run, f"{llm.llm_engine.vllm_config.model_config.dtype}"


def tuned(model: Path, texts: list[str]) -> Any:
    """As fast as its options make it."""
    os.environ |= {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, sorted(os.sched_getaffinity(0)))),
    }
    from vllm import LLM, PoolingParams

    llm = LLM(
        str(model),
        runner="pooling",
        dtype="bfloat16",
        enforce_eager=True,
        enable_prefix_caching=False,
        max_num_batched_tokens=STEP,
        max_num_seqs=512,
        gpu_memory_utilization=0.3,
    )
    to_spans = Spans(model)
    parameters = PoolingParams(task="token_classify", use_activation=False)

    def run(texts: list[str], spans: bool) -> Any:
        encodings = to_spans.tokenizer(texts).encodings
        order = np.argsort([len(encoding) for encoding in encodings], kind="stable").tolist()
        prompts = [{"prompt_token_ids": encodings[text].ids} for text in order]
        outputs = llm.encode(prompts, parameters, pooling_task="token_classify", use_tqdm=False)
        logits: list[Any] = [None] * len(texts)
        for text, output in zip(order, outputs, strict=True):
            logits[text] = output.outputs.data.float().numpy()
        return [*map(to_spans, texts, encodings, logits)] if spans else logits

    return run, f"bfloat16, eager, one process, sorted, {STEP} tokens a step"


def load(model: Path, texts: list[str]) -> Any:
    """By the command's argument."""
    return tuned(model, texts) if sys.argv[1] == "tuned" else shipped(model)


if __name__ == "__main__":
    os.environ["VLLM_LOGGING_LEVEL"] = "ERROR"
    serve(load)
