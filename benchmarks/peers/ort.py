"""ONNX Runtime: the module exported, its graph fused by ONNX Runtime's own optimizer, `ort.py float32|int8`.

int8: dynamic, a scale for each output of the weights. Batches of like length, one session on all cores.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from system import Sorted, serve
from transformers import AutoConfig, AutoModelForTokenClassification


def export(model: Path, file: Path) -> None:
    """The module as ONNX, with any number of texts of any length."""
    module = AutoModelForTokenClassification.from_pretrained(model, dtype=torch.float32, attn_implementation="eager")
    inputs = {"input_ids": torch.ones(2, 8, dtype=torch.int64), "attention_mask": torch.ones(2, 8, dtype=torch.int64)}
    axes = {0: "texts", 1: "tokens"}

    class Plain(torch.nn.Module):
        """Two inputs, one output."""

        def __init__(self) -> None:
            super().__init__()
            self.module = module.eval()

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.module(input_ids=input_ids, attention_mask=attention_mask).logits
            return logits

    with torch.inference_mode():
        torch.onnx.export(
            Plain(),
            tuple(inputs.values()),
            str(file),
            input_names=list(inputs),
            output_names=["logits"],
            dynamic_axes=dict.fromkeys([*inputs, "logits"], axes),
            opset_version=17,
            dynamo=False,
        )


def load(model: Path, texts: list[str]) -> Any:
    """By the command's argument."""
    precision = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        plain, fused, small = (Path(folder) / name for name in ("plain.onnx", "fused.onnx", "int8.onnx"))
        export(model, plain)
        config = AutoConfig.from_pretrained(model)
        made = optimizer.optimize_model(
            str(plain), model_type="bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size
        )
        made.save_model_to_file(str(fused))
        if precision == "int8":
            unknown = {"DefaultTensorType": onnx.TensorProto.FLOAT}  # behind fused operators
            quantize_dynamic(fused, small, per_channel=True, weight_type=QuantType.QInt8, extra_options=unknown)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        session = onnxruntime.InferenceSession(small if precision == "int8" else fused, options)
    counts = made.get_fused_operator_statistics()

    def forward(batches: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        return [session.run(None, {"input_ids": ids, "attention_mask": mask})[0] for ids, mask in batches]

    run = Sorted(model, forward, texts)
    fusions = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return run, f"{precision}, {run.size} tokens a batch; fused: {fusions}"


if __name__ == "__main__":
    serve(load)
