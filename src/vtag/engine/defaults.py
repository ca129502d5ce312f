"""Engine settings that suit this machine and a tagger. Whatever the user passes, or has in the environment, wins."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from vtag.compat.transformers_models import LENGTH_DEPENDENT_ROPES
from vtag.engine import cpu
from vtag.engine.architectures import Architecture
from vtag.engine.packed.shapes import row_tokens

# Tokens of one packed request, and of one engine step, at least: enough to fill the matrices.
PACK_TOKENS = 8192
# Small models take more: a step costs 2 ms whatever is in it.
ROWS = 2
# Of a GPU's memory, to be free when a packed model starts: its weights and a row's activations.
GPU_SHARE = 0.1
# The longest window of the native route on a CPU, unless max_model_len says more: a cache for longer ones takes GiBs.
NATIVE_TOKENS = 8192
# A KV cache for 256 short texts at once, each with a block of its own.
KV_BLOCK = 128
KV_TOKENS = 256 * KV_BLOCK


def cores() -> list[int]:
    """The CPU cores this process may use."""
    return sorted(os.sched_getaffinity(0))


def few_cores() -> bool:
    """Whether whatever runs beside the engine slows it down by more than it gains (measured on two cores)."""
    return not on_cuda() and len(cores()) <= 2


def on_cuda() -> bool:
    """Whether vLLM runs on CUDA here."""
    from vllm.platforms import current_platform

    return bool(current_platform.is_cuda_alike())


def dtype() -> str:
    """bfloat16 where the hardware has it, else float32 (vLLM would take float16, which CPUs only emulate)."""
    if on_cuda():
        import torch
        from vllm.platforms import current_platform

        # torch would answer by starting CUDA in this process, of which an engine's could then not be a fork.
        return "bfloat16" if torch.bfloat16 in current_platform.supported_dtypes else "float16"
    return "bfloat16" if cpu.has_bf16() else "float32"


def runs_natively(row: Architecture, config: Any) -> bool:
    """Whether vLLM can run this decoder itself here: its CPU attention takes certain head sizes only."""
    rope = getattr(config.get_text_config(), "rope_parameters", None) or {}
    if row.native is None or rope.get("rope_type") in LENGTH_DEPENDENT_ROPES:
        return False
    if on_cuda():
        return True
    from vtag.compat.vllm_kernels import attention_head_sizes

    text = config.get_text_config()
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return size in attention_head_sizes()


def quantised_weights_run(config: Any, asked: Any) -> bool:
    """Whether this machine runs a checkpoint's quantised weights in the dtype asked for (None: what vtag picks).

    With AMX, vLLM's kernel for int8 weights takes bfloat16 and float16 alone, and fails at the first text.
    """
    from vtag.compat import torch_cpu

    wanted = str(asked or dtype()).removeprefix("torch.")
    quantised = getattr(config, "quantization_config", None) is not None
    amx = not on_cuda() and torch_cpu.has_amx()
    return not (quantised and amx and wanted in ("float", "float32"))


def int8_weights_run(config: Any) -> bool:
    """Whether what vLLM itself makes of a checkpoint's int8 weights is right here; vtag's native route makes it so."""
    groups = (getattr(config, "quantization_config", None) or {}).get("config_groups", {}).values()
    int8 = {"num_bits": 8, "type": "int"}
    both = (
        all(int8.items() <= (group.get(part) or {}).items() for part in ("weights", "input_activations"))
        for group in groups
    )
    if on_cuda() or not any(both):
        return True
    from vtag.engine.packed import linear

    return not linear.saturates()


def packed(max_length: int, config: Any) -> dict[str, Any]:
    """Engine arguments of the packed route: one request may hold many texts, and there is no KV cache."""
    rows = row_tokens(config, itemsize=2, cuda=True) if on_cuda() else ROWS * row_tokens(config, itemsize=2)
    tokens = max(PACK_TOKENS, rows, max_length)
    settings = {
        "max_model_len": tokens,
        "max_num_batched_tokens": tokens,
        "enable_chunked_prefill": False,
        "enable_prefix_caching": False,
        "kv_cache_memory_bytes": 1 << 20,
        "enforce_eager": True,
        "use_tqdm_on_load": False,
        "dtype": dtype(),
    }
    # vLLM starts where this share of the GPU is free, 0.92 by itself: for a cache, which there is none of.
    return settings | {"gpu_memory_utilization": GPU_SHARE} if on_cuda() else settings


def native(max_length: int, config: Any) -> dict[str, Any]:
    """Engine arguments of the native route: vLLM's own on CUDA; on CPU a KV cache that lets other programs live."""
    settings = {
        "max_model_len": max_length,
        "enable_prefix_caching": False,
        "use_tqdm_on_load": False,
        "dtype": dtype(),
    }
    if on_cuda():
        return settings
    text = config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    token_bytes = 2 * 4 * text.num_hidden_layers * heads * size  # keys and values, in float32 at the most
    return settings | {
        "enforce_eager": True,
        "kv_cache_memory_bytes": token_bytes * max(max_length + KV_BLOCK, KV_TOKENS),
    }


ENVIRONMENT = {
    # One process: starts in a third of the time and lets a script without a main guard run.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # A packed request is longer than any one text.
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}


@contextmanager
def environment() -> Iterator[None]:
    """The process environment while an engine starts; put back after, so that other uses of vLLM stay as they were."""
    wanted = {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()}
    # vLLM leaves a core idle otherwise (only read where the engine has its own process).
    wanted["VLLM_CPU_OMP_THREADS_BIND"] = os.environ.get("VLLM_CPU_OMP_THREADS_BIND", ",".join(map(str, cores())))
    plugins = os.environ.get("VLLM_PLUGINS")
    if plugins is not None and "vtag" not in plugins.split(","):
        wanted["VLLM_PLUGINS"] = f"{plugins},vtag"
    before = {name: os.environ.get(name) for name in wanted}
    hook = sys.excepthook  # torch.distributed puts one of its own there, which writes "[rank0]" before each line
    os.environ.update(wanted)
    try:
        with quiet() if wanted["VLLM_LOGGING_LEVEL"] == "ERROR" else nullcontext():
            yield
    finally:
        sys.excepthook = hook
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def quiet() -> Iterator[None]:
    """No word from the engine below an error, no bars and no deprecations of its libraries."""
    from transformers.utils import logging as transformers_logging

    from vtag.compat.torch_cpu import no_warnings_in_cpp

    loggers = [logging.getLogger(name) for name in ("vllm", "torch", "transformers")]
    levels = [logger.level for logger in loggers]
    bars = transformers_logging.is_progress_bar_enabled()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings(), no_warnings_in_cpp():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if bars:
            transformers_logging.enable_progress_bar()
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
