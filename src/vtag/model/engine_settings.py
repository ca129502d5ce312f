"""Engine arguments that suit this machine and model. The user's arguments override them."""

from __future__ import annotations

from typing import Any

from vtag.compat.transformers_models import LENGTH_DEPENDENT_ROPES
from vtag.model.architectures import Architecture
from vtag.system import device

# Minimum of the tokens in one packed request and in one engine step: enough to fill the matrices.
REQUEST_TOKENS = 8192
# Rows of one request, which small models need more of: a step costs 2 ms whatever its size.
ROWS = 2
# Share of a GPU's memory that must be free when a packed model starts: its weights and a row's activations.
GPU_SHARE = 0.1
# The longest window of the native route on a CPU, unless max_model_len is set: a cache for longer ones takes GiBs.
NATIVE_TOKENS = 8192
# A KV cache for 256 short texts at once, each with a block of its own.
KV_BLOCK = 128
KV_TOKENS = 256 * KV_BLOCK
# Limits of a row: bytes of its widest activations, and tokens. Each row costs some Python a layer, which a better cache
# hit rate does not make up for; for small models a larger row gains nothing, and touches more memory for the first time
# (2 µs a page).
ROW_BYTES, ROW_TOKENS = 32 << 20, 1 << 14
# For rows that run on a core each.
CORE_ROW_BYTES = 8 << 20
# On a GPU, where a row costs some 150 kernel launches and no cache is large enough. Chosen, not measured.
CUDA_ROW_BYTES, CUDA_ROW_TOKENS = 512 << 20, 1 << 16


def runs_natively(row: Architecture, config: Any) -> bool:
    """Whether vLLM can run this decoder itself here: its CPU attention supports certain head sizes only."""
    rope = getattr(config.get_text_config(), "rope_parameters", None) or {}
    if row.native is None or rope.get("rope_type") in LENGTH_DEPENDENT_ROPES:
        return False
    if device.on_cuda():
        return True
    from vtag.compat.vllm_kernels import attention_head_sizes

    text = config.get_text_config()
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return size in attention_head_sizes()


def quantised_weights_run(config: Any, asked: Any) -> bool:
    """Whether this machine runs a checkpoint's quantised weights in the requested dtype (None: vtag's default).

    With AMX, vLLM's kernel for int8 weights supports only bfloat16 and float16, and fails at the first text.
    """
    from vtag.compat import torch_cpu

    wanted = str(asked or device.dtype()).removeprefix("torch.")
    quantised = getattr(config, "quantization_config", None) is not None
    amx = not device.on_cuda() and torch_cpu.has_amx()
    return not (quantised and amx and wanted in ("float", "float32"))


def int8_weights_run(config: Any) -> bool:
    """Whether vLLM's own int8 layers are correct here; vtag's native route works around them where they are not."""
    groups = (getattr(config, "quantization_config", None) or {}).get("config_groups", {}).values()
    int8 = {"num_bits": 8, "type": "int"}
    both = (
        all(int8.items() <= (group.get(part) or {}).items() for part in ("weights", "input_activations"))
        for group in groups
    )
    if device.on_cuda() or not any(both):
        return True
    from vtag.system import int8 as products

    return not products.saturates()


def packed(max_length: int, config: Any) -> dict[str, Any]:
    """Engine arguments of the packed route: a request may hold many texts, and there is no KV cache."""
    rows = row_tokens(config, itemsize=2, cuda=True) if device.on_cuda() else ROWS * row_tokens(config, itemsize=2)
    tokens = max(REQUEST_TOKENS, rows, max_length)
    settings = {
        "max_model_len": tokens,
        "max_num_batched_tokens": tokens,
        "enable_chunked_prefill": False,
        "enable_prefix_caching": False,
        "kv_cache_memory_bytes": 1 << 20,
        "enforce_eager": True,
        "use_tqdm_on_load": False,
        "dtype": device.dtype(),
    }
    # vLLM requires 0.92 of the GPU to be free by default, for a KV cache that does not exist here.
    return settings | {"gpu_memory_utilization": GPU_SHARE} if device.on_cuda() else settings


def native(max_length: int, config: Any) -> dict[str, Any]:
    """Engine arguments of the native route: vLLM's own on CUDA; on CPU a KV cache that leaves memory
    to other programs.
    """
    settings = {
        "max_model_len": max_length,
        "enable_prefix_caching": False,
        "use_tqdm_on_load": False,
        "dtype": device.dtype(),
    }
    if device.on_cuda():
        return settings
    text = config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    token_bytes = 2 * 4 * text.num_hidden_layers * heads * size  # keys and values, float32 at most
    return settings | {
        "enforce_eager": True,
        "kv_cache_memory_bytes": token_bytes * max(max_length + KV_BLOCK, KV_TOKENS),
    }


def row_tokens(config: Any, itemsize: int, cores: int = 1, cuda: bool = False) -> int:
    """How many tokens of a model to run at once, with so many bytes a number; on several cores, for each of them."""
    text = config.get_text_config()
    width = getattr(text, "intermediate_size", None) or 4 * text.hidden_size
    row_bytes = CUDA_ROW_BYTES if cuda else ROW_BYTES if cores == 1 else CORE_ROW_BYTES
    return min(max(512, int(row_bytes // (width * itemsize))), CUDA_ROW_TOKENS if cuda else ROW_TOKENS)
