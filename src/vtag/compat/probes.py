"""Probes of rows: each is true where a name behaves as vtag expects."""

from __future__ import annotations

import ctypes
import inspect
import threading
import weakref
from typing import TYPE_CHECKING, get_args

from vtag.compat.contract import resolve

if TYPE_CHECKING:
    from torch import Tensor

# Tolerances of matmuls of random numbers, relative to float32; int8 is off by a percent.
BOUND, INT8_BOUND = 1e-4, 0.05


def llm_has_the_mixin() -> bool:
    """vllm.LLM is defined in one of the modules that vtag waits for, and inherits from a class of the other."""
    from vtag.compat.names import LLM_MODULE, MIXIN, MIXIN_MODULE

    return issubclass(resolve(f"{LLM_MODULE}:LLM"), resolve(f"{MIXIN_MODULE}:{MIXIN}"))


def tokenizers_are_cached() -> bool:
    """vLLM's cache of tokenizers can be emptied."""
    return callable(resolve("vllm.tokenizers:cached_get_tokenizer").cache_clear)


def prompts_are_tokens() -> bool:
    """Token ids form a prompt, and can be read from it."""
    from vtag.compat.vllm_engine import prompt_of

    return list(prompt_of([1, 2])["prompt_token_ids"]) == [1, 2]


def one_finalizer() -> bool:
    """A client has exactly one `weakref.finalize`, which ends its engine."""
    from vtag.compat.vllm_engine import finalizer, replace_finalizer

    class Client:
        pass

    clients = inspect.getsource(resolve("vllm.v1.engine.core_client:"))
    client, ended = Client(), list[str]()
    client.held = weakref.finalize(client, ended.append, "by vLLM")  # type: ignore[attr-defined]
    replace_finalizer(client, ended.append, "by vtag")
    finalizer(client)[1]()
    # One where the engine is in the process, and one of all clients of other processes.
    return ended == ["by vtag"] and clients.count("weakref.finalize(") == 2


def classes_load() -> bool:
    """A registered model class is imported by its name."""
    from vtag.compat.vllm_engine import known_architectures, model_class

    name = "Qwen2ForCausalLM"
    return name in known_architectures() and model_class(name).__name__ == name


def no_worker() -> bool:
    """The executor without a worker process has the name that vtag gives it."""
    from vtag.compat.vllm_engine import NO_WORKER

    return NO_WORKER in get_args(resolve("vllm.config.parallel:DistributedExecutorBackend"))


def server_has_arguments() -> bool:
    """vLLM's parser has the arguments that vtag sets or reads, in either of its two modules."""
    from vtag.compat.vllm_server import arguments

    wanted = ("model", "served_model_name", "api_key", "allowed_origins", "enable_offline_docs", "api_server_count")
    defaults = arguments()
    return all(hasattr(defaults, name) for name in wanted)


def head_sizes() -> bool:
    """Head sizes are numbers, and include the usual ones."""
    from vtag.compat.vllm_kernels import attention_head_sizes

    return {64, 128} <= set(attention_head_sizes())


# --- matmuls, compared with torch's ---


def onednn_multiplies() -> bool:
    """Matmul with a weight in oneDNN's layout."""
    from vtag.compat import torch_cpu

    weight, bias, x = _numbers()
    return _near(torch_cpu.matmul(x, torch_cpu.laid_out(weight, len(x)), bias), x @ weight.t() + bias, BOUND)


def onednn_says_bf16() -> bool:
    """The function exists and returns a bool; whether it is right shows only in bfloat16 matmuls (tests/backend)."""
    from vtag.compat import torch_cpu

    return torch_cpu.takes_bf16() in (True, False)


def int8_multiplies() -> bool:
    """Quantised activations times quantised weights."""
    from vtag.compat.vllm_kernels import Int8Weights, quantised

    weight, bias, x = _numbers()
    int8, scales = _int8(weight)
    out = x.new_empty(len(x), len(weight))
    rounded, of_tokens = quantised(x)
    Int8Weights(int8, scales, x.dtype).multiply(rounded, of_tokens, out, bias)
    return _near(out, x @ weight.t() + bias, INT8_BOUND)


def vllm_multiplies() -> bool:
    """A linear layer with unquantised weights."""
    from torch import nn

    from vtag.compat.vllm_kernels import of_linear

    weight, bias, x = _numbers()
    linear = nn.Linear(*weight.shape[::-1])
    linear.weight, linear.bias = nn.Parameter(weight, False), nn.Parameter(bias, False)
    return _near(of_linear(linear)(x), x @ weight.t() + bias, BOUND)


def vllm_multiplies_int8() -> bool:
    """A linear layer of a checkpoint with int8 weights. With AMX its kernel takes 16-bit dtypes only."""
    import torch

    from vtag.compat.vllm_kernels import of_int8_checkpoint

    weight, bias, x = _numbers()
    dtype = torch.bfloat16 if torch.cpu._is_amx_tile_supported() else torch.float32
    int8, scales = _int8(weight)
    multiply = of_int8_checkpoint(int8, scales, bias.to(dtype))
    return _near(multiply(x.to(dtype)).float(), x @ weight.t() + bias, INT8_BOUND)


def _numbers() -> tuple[Tensor, Tensor, Tensor]:
    """A weight [out, in], a bias [out] and activations [tokens, in], float32; small enough that no int8 matmul
    saturates.
    """
    import torch

    random = torch.Generator().manual_seed(0)
    weight = torch.randn(64, 128, generator=random)
    weight[:, ::2] = 0
    return weight, torch.randn(64, generator=random), torch.randn(48, 128, generator=random)


def _int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    import torch

    scales = weight.abs().amax(1, keepdim=True) / 127
    return (weight / scales).round().to(torch.int8), scales


def _near(got: Tensor, want: Tensor, bound: float) -> bool:
    """Whether the mean difference is small, relative to the mean."""
    return bool((got.float() - want).abs().mean() <= bound * want.abs().mean())


# --- the rest of torch ---


def threads_set() -> bool:
    """Sets the number of threads of this thread and of later ones; the probe restores it."""
    import torch

    from vtag.compat.torch_cpu import set_threads

    before, seen = torch.get_num_threads(), list[int]()

    def look() -> None:
        set_threads(1)
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    set_threads(before)
    return seen == [1]


def cpp_level() -> bool:
    """The level of C++ warnings is a number in a library that torch has loaded."""
    from vtag.compat.torch_cpu import CPP_LEVEL

    return ctypes.c_int.in_dll(ctypes.CDLL("libc10.so"), CPP_LEVEL).value >= 0


def groups_found() -> bool:
    """torch's list of process groups contains the default group, if there is one."""
    from torch import distributed

    from vtag.compat.torch_cpu import process_groups

    created = not distributed.is_initialized()
    if created:
        distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        listed = resolve("torch.distributed.distributed_c10d:_world.pg_map")
        return distributed.group.WORLD in process_groups() and distributed.group.WORLD in listed
    finally:
        if created:
            distributed.destroy_process_group()


# --- transformers, uvicorn, Ray ---


def weights_checked() -> bool:
    """A module loads from names and shapes alone, and mismatches are reported."""
    import torch
    from transformers import BertConfig

    from vtag.compat.transformers_models import loaded_on_meta, token_classifier

    size = {"hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1, "intermediate_size": 8}
    config = BertConfig(**size, vocab_size=8, max_position_embeddings=8, num_labels=2)
    tensors = {"classifier.weight": (3, 8), "bert.embeddings.word_embeddings.weight": (8, 8), "extra": (1,)}
    module, report = loaded_on_meta(
        token_classifier(config), config, {name: torch.empty(shape, device="meta") for name, shape in tensors.items()}
    )
    on_meta = all(parameter.is_meta for parameter in module.parameters())
    lost = "bert.encoder.layer.0.attention.self.query.weight" in report.missing
    return (
        on_meta
        and lost
        and report.unexpected == ["extra"]
        and report.mismatched == [("classifier.weight", [3, 8], [2, 8])]
    )


def status_lines() -> bool:
    """Each status has a status line."""
    from vtag.compat.uvicorn_http import status_line

    return status_line(413).startswith(b"HTTP/1.1 413 ") and status_line(413).endswith(b"\r\n")


def ray_starts_apart() -> bool:
    """ray.init takes a folder and an address."""
    from vtag.compat import ray_cluster

    private = [name for name in ray_cluster.private_settings("/", 1) if name.startswith("_")]
    return all(f'"{name}"' in inspect.getsource(resolve("ray:init")) for name in private)
