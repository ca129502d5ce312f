"""What can be known of a GPU's way without one: two parts for `dry_run.py`, each in an environment of its own."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

Row = dict[str, Any]
Rows = Iterator[tuple[str, Callable[[], Row]]]

# What an engine on CUDA imports, on both routes and in a server.
MODULES = (
    "vllm.v1.worker.gpu_worker",
    "vllm.v1.worker.gpu.model_runner",
    "vllm.v1.worker.gpu.pool.pooling_runner",
    "vllm.v1.worker.gpu_model_runner",
    "vllm.v1.attention.backends.triton_attn",
    "vllm.model_executor.warmup.kernel_warmup",
    "vllm.model_executor.models.qwen2",
    "vllm.entrypoints.openai.api_server",
    "vtag.backend.packed.model",
    "vtag.backend.native",
    "vtag.engine.llm",
    "vtag.serve.launcher",
)
# torch's word where there is no GPU.
NO_DRIVER = "Found no NVIDIA driver"


def as_cuda(size: object, folder: Path) -> Rows:
    """With CUDA's platform named by hand: each module is imported, and an engine starts until torch asks for the
    driver.

    Needs a CUDA build of torch, and Triton.
    """
    import torch

    # The questions that torch answers without a context, as a Hopper card would have them answered.
    properties = SimpleNamespace(name="none", total_memory=80 << 30, multi_processor_count=132, major=9, minor=0)
    answers = {
        "device_count": 1,
        "get_device_capability": (9, 0),
        "get_device_name": properties.name,
        "get_device_properties": properties,
        "is_available": True,
        "is_bf16_supported": True,
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, lambda *args, answer=answer, **kwargs: answer)
    import vllm.platforms
    from vllm.platforms.cuda import CudaPlatform

    vllm.platforms._current_platform = CudaPlatform()
    import models

    model = models.build("bert", "tiny", folder / "bert")

    def imports(module: str) -> Row:
        importlib.import_module(module)
        return {"right": True}

    def engine() -> Row:
        from vtag import LLM

        try:
            LLM(model)
            came_to = "its end"
        except Exception as error:
            came_to = str(error)
        return {"right": NO_DRIVER in came_to, "came_to": came_to}

    for module in MODULES:
        yield module, partial(imports, module)
    yield "an engine's start", engine


def runner_of_gpus(size: object, folder: Path) -> Rows:
    """vLLM's second model runner, which GPUs have, around a packed model on the CPU, with what it does on a GPU before
    the first text. Triton's interpreter runs its kernels. Logits are those of the runner that CPUs have.

    Needs Triton.
    """
    os.environ["TRITON_INTERPRET"] = "1"
    # vLLM asks for a backend of Triton's for CPUs before it takes this runner there.
    from triton.backends import backends

    backends["cpu"] = SimpleNamespace(driver=SimpleNamespace(is_active=lambda: False))

    def compare() -> Row:
        import models
        import numpy as np
        from vllm.config import set_current_vllm_config
        from vllm.model_executor.warmup.kernel_warmup import kernel_warmup

        from vtag import LLM
        from vtag.compat.vllm_engine import client_of, in_process_core

        model = models.build("bert", "tiny", folder / "bert")
        texts = models.texts()[:40]
        rows, runners = [], []
        for number in "10":
            os.environ["VLLM_USE_V2_MODEL_RUNNER"] = number
            with LLM(model, dtype="bfloat16") as llm:
                worker = in_process_core(client_of(llm.llm_engine)).model_executor.driver_worker.worker
                if number == "1":
                    with set_current_vllm_config(worker.vllm_config):
                        worker.model_runner.profile_run()
                        kernel_warmup(worker)
                rows.append(np.concatenate([output.data for output in llm.encode(texts, use_tqdm=False)]))
                runners.append(type(worker.model_runner).__module__)
        return {"right": bool((rows[0] == rows[1]).all()) and len(set(runners)) == 2, "runners": ", ".join(runners)}

    yield "bert", compare
