"""The native route: a decoder that vLLM runs itself, with a token head put on.

Keeps what vLLM gives its own models: tensor parallelism, quantised weights, LoRA. `native.Qwen2ForCausalLM` is vLLM's
class of that name, adapted; the classes are made when vLLM asks for them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from vllm import ModelRegistry
from vllm.config import VllmConfig
from vllm.model_executor.layers.linear import LinearBase, UnquantizedLinearMethod
from vllm.model_executor.layers.pooler import Pooler
from vllm.model_executor.models.adapters import as_seq_cls_model
from vllm.platforms import current_platform

from vtag.engine import kernels
from vtag.engine.packed.linear import saturates
from vtag.engine.weights import check_finite

# What Hugging Face's classes call the head; vLLM's adapter knows `score` alone.
HEAD = re.compile(r"^(?:score|classifier)\.(weight|bias)$")


def __getattr__(name: str) -> type[nn.Module]:
    if name not in ModelRegistry.models:
        raise AttributeError(name)
    return adapt(ModelRegistry.models[name].load_model_cls())


def adapt(base: type[nn.Module]) -> type[nn.Module]:
    """vLLM's decoder class -> a token classifier: dropout (identity at inference), then a linear head.

    vLLM's own adapter makes the head (`score`, in its head dtype) and the pooler for every token; what is added here is
    the head's other name and its bias, and a fresh head where the checkpoint has none.
    """

    class ForTokenClassification(as_seq_cls_model(base)):  # type: ignore[misc]
        def __init__(self, *, vllm_config: VllmConfig, prefix: str = "", **kwargs: Any) -> None:
            super().__init__(vllm_config=vllm_config, prefix=prefix, **kwargs)
            config = vllm_config.model_config.hf_config
            if file := getattr(config, "vtag_weights", None):
                self.allow_patterns_overrides = [file]  # vLLM would read what else lies in the folder, and mix them
            generator = torch.Generator().manual_seed(vllm_config.model_config.seed)
            fresh = torch.empty(self.score.weight.shape).normal_(
                std=getattr(config, "initializer_range", 0.02), generator=generator
            )
            self.score.weight.data.copy_(fresh)

        def _init_pooler(self, vllm_config: VllmConfig, prefix: str = "") -> Pooler:
            # A head has few rows: it is never quantised, whatever the rest of the model is.
            vllm_config = copy.copy(vllm_config)
            vllm_config.quant_config = None
            return super()._init_pooler(vllm_config, prefix)

        def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
            loaded: set[str] = super().load_weights((HEAD.sub(r"score.\1", name), weight) for name, weight in weights)
            check_finite(self, self.vllm_config.model_config.served_model_name)
            if current_platform.is_cpu():
                _check_kernels(self, self.vllm_config.model_config.dtype)
            return loaded

    ForTokenClassification.__name__ = ForTokenClassification.__qualname__ = f"{base.__name__}ForTokenClassification"
    return ForTokenClassification


def _check_kernels(model: nn.Module, dtype: torch.dtype) -> None:
    """Of a model whose weights are loaded, and not laid out yet."""
    kernels.check("vLLM's linear layers", dtype)
    quantised = [layer for layer in model.modules() if isinstance(layer, LinearBase) and _is_int8(layer)]
    if quantised and saturates():
        for layer in quantised:
            _dequantise(layer, dtype)
    elif quantised:
        kernels.check("vLLM's linear layers in int8", dtype)


def _is_int8(layer: LinearBase) -> bool:
    weight = getattr(layer, "weight", None)  # other kinds of quantised weights have other names
    return weight is not None and weight.dtype == torch.int8


def _dequantise(layer: LinearBase, dtype: torch.dtype) -> None:
    """Multiply weights [out, in] by their scales, as Hugging Face runs such a checkpoint.

    For CPUs where products of such weights saturate: to round them again would add as much error as there is.
    """
    scales = layer.weight_scale  # of each output [out, 1], or of each matrix that vLLM has joined [matrices]
    if scales.ndim == 1:
        scales = scales.repeat_interleave(torch.tensor(layer.logical_widths))[:, None]
    layer.weight = nn.Parameter((layer.weight * scales).to(dtype), requires_grad=False)
    layer.quant_method = UnquantizedLinearMethod()
