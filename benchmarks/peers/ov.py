"""OpenVINO: `ov.py bfloat16|int8`, batches of like length through its queue of requests.

int8: quantised by NNCF after training, with a hundred of the texts, for transformers (SmoothQuant); the rest bfloat16.
One stream on all cores, or one a core, whichever is faster.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from system import Sorted, serve
from transformers import AutoModelForTokenClassification, AutoTokenizer

HINTS = ("LATENCY", "THROUGHPUT")


def convert(model: Path) -> openvino.Model:
    """The module as OpenVINO's graph, with any number of texts of any length."""
    module = AutoModelForTokenClassification.from_pretrained(model, dtype=torch.float32).eval()
    names = ("input_ids", "attention_mask")
    example = {name: torch.ones(2, 8, dtype=torch.int64) for name in names}
    return openvino.convert_model(
        module, example_input=example, input=[(name, [-1, -1], openvino.Type.i64) for name in names]
    )


def quantised(graph: openvino.Model, model: Path, texts: list[str]) -> openvino.Model:
    """NNCF's way for transformers."""
    import nncf

    tokenizer = AutoTokenizer.from_pretrained(model)

    def inputs(text: str) -> dict[str, np.ndarray]:
        ids = np.array([tokenizer(text, truncation=True).input_ids])
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

    data = nncf.Dataset(texts[:100], inputs)
    return nncf.quantize(graph, data, model_type=nncf.ModelType.TRANSFORMER, subset_size=100)


def load(model: Path, texts: list[str]) -> Any:
    """By the command's argument."""
    precision = sys.argv[1]
    graph = convert(model)
    if precision == "int8":
        graph = quantised(graph, model, texts)
    ways = {}
    for hint in HINTS:
        settings = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": "f32" if precision == "float32" else "bf16"}
        compiled = openvino.compile_model(graph, "CPU", settings)
        run = Sorted(model, queue(compiled), texts)
        ways[run.least(texts)] = run, hint
    run, hint = ways[min(ways)]
    return run, f"{precision}, {hint}, {run.size} tokens a batch"


def queue(compiled: openvino.CompiledModel) -> Any:
    """Batches, as many at once as it likes -> logits."""
    requests = openvino.AsyncInferQueue(compiled)
    logits: dict[int, np.ndarray] = {}

    def done(request: Any, number: int) -> None:
        logits[number] = request.get_output_tensor(0).data.copy()

    requests.set_callback(done)

    def forward(batches: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        logits.clear()
        for number, (ids, mask) in enumerate(batches):
            requests.start_async({"input_ids": ids, "attention_mask": mask}, number)
        requests.wait_all()
        return [logits[number] for number in range(len(batches))]

    return forward


if __name__ == "__main__":
    serve(load)
