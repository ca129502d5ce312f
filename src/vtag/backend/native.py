"""The native route: a decoder that vLLM runs itself, with a token-classification head.

It keeps vLLM's features for its own models: tensor parallelism, quantised weights, LoRA. `native.Qwen2ForCausalLM` is
the adapted version of vLLM's class with that name; classes are created when vLLM asks for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from vllm.config import VllmConfig
from vllm.platforms import current_platform

from vtag.backend import kernels
from vtag.compat.vllm_engine import known_architectures, model_class
from vtag.compat.vllm_models import dequantise, int8_layers, with_head
from vtag.model.weights import check_finite
from vtag.system.int8 import saturates

# Hugging Face's names of the head; vLLM's adapter knows only `score`.
HEAD = re.compile(r"^(?:score|classifier)\.(weight|bias)$")


def __getattr__(name: str) -> type[nn.Module]:
    if name not in known_architectures():
        raise AttributeError(name)
    return adapt(model_class(name))


def adapt(base: type[nn.Module]) -> type[nn.Module]:
    """vLLM's decoder class -> a token classifier: dropout (identity at inference), then a linear head.

    vLLM's adapter creates the head (`score`, in its head dtype) and a pooler for every token. This adds the head's
    other name and its bias, and initialises a new head where the checkpoint has none.
    """

    class ForTokenClassification(with_head(base)):  # type: ignore[misc]
        def __init__(self, *, vllm_config: VllmConfig, prefix: str = "", **kwargs: Any) -> None:
            super().__init__(vllm_config=vllm_config, prefix=prefix, **kwargs)
            config = vllm_config.model_config.hf_config
            generator = torch.Generator().manual_seed(vllm_config.model_config.seed)
            # vLLM creates models with the GPU as default device; the generator is on the CPU.
            fresh = torch.empty(self.score.weight.shape, device="cpu").normal_(
                std=getattr(config, "initializer_range", 0.02), generator=generator
            )
            self.score.weight.data.copy_(fresh)

        def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
            loaded: set[str] = super().load_weights((HEAD.sub(r"score.\1", name), weight) for name, weight in weights)
            check_finite(self, self.vllm_config.model_config.served_model_name)
            if current_platform.is_cpu():
                _check_kernels(self, self.vllm_config.model_config.dtype)
            return loaded

    ForTokenClassification.__name__ = ForTokenClassification.__qualname__ = f"{base.__name__}ForTokenClassification"
    return ForTokenClassification


def _check_kernels(model: nn.Module, dtype: torch.dtype) -> None:
    """Check kernels after the weights are loaded and before vLLM changes their layout.

    Where int8 matmuls saturate, the layers run dequantised: weights quantised again would be as wrong.
    """
    kernels.check("vLLM's linear layers", dtype)
    quantised = int8_layers(model)
    if quantised and saturates():
        for layer in quantised:
            dequantise(layer, dtype)
    elif quantised:
        kernels.check("vLLM's linear layers in int8", dtype)
