"""What vLLM requires of a model class for token classification, and what such a class uses of vLLM."""

from __future__ import annotations

import copy
from collections.abc import Set
from typing import Any

import torch
from torch import nn
from vllm.config import VllmConfig
from vllm.model_executor.layers.linear import LinearBase, UnquantizedLinearMethod
from vllm.model_executor.layers.pooler import Pooler
from vllm.model_executor.layers.pooler.activations import resolve_classifier_act_fn
from vllm.model_executor.models.adapters import as_seq_cls_model
from vllm.model_executor.models.interfaces import IsAttentionFree
from vllm.model_executor.models.interfaces_base import attn_type, default_pooling_type
from vllm.v1.pool.metadata import PoolingMetadata

__all__ = ["IsAttentionFree", "LinearBase", "Pooler", "PoolingMetadata", "activation", "per_token", "with_head"]

TASK = "token_classify"


def per_token(model: type[nn.Module]) -> type[nn.Module]:
    """Decorator of a model class: no vLLM attention, so no KV cache, and one row of output for every token."""
    decorated: type[nn.Module] = attn_type("attention_free")(default_pooling_type(tok_pooling_type="ALL")(model))
    decorated.is_pooling_model = True
    return decorated


def activation(model_config: Any) -> nn.Module:
    """The activation that turns logits into probabilities, from the model's config."""
    function: nn.Module = resolve_classifier_act_fn(model_config)
    return function


class TokenPooler(Pooler):
    """A pooler for token classification only."""

    def get_supported_tasks(self) -> Set[Any]:
        return {TASK}


def scheduled(metadata: PoolingMetadata) -> tuple[list[int], list[Any]]:
    """The number of tokens of each request in this step, and its PoolingParams."""
    return metadata.get_pooling_cursor().num_scheduled_tokens_cpu.tolist(), metadata.pooling_params


def with_head(decoder: type[nn.Module]) -> type[nn.Module]:
    """vLLM's decoder class with a linear head over every token, `score`, which is never quantised.

    The head has few rows. vLLM's adapter is named for sequence classification, and pools tokens as well.
    """

    class WithHead(as_seq_cls_model(decoder)):  # type: ignore[misc]
        def __init__(self, *, vllm_config: VllmConfig, prefix: str = "", **kwargs: Any) -> None:
            super().__init__(vllm_config=vllm_config, prefix=prefix, **kwargs)
            if file := getattr(vllm_config.model_config.hf_config, "vtag_weights", None):
                # else vLLM would read other weight files in the folder, and mix them
                self.allow_patterns_overrides = [file]

        def _init_pooler(self, vllm_config: VllmConfig, prefix: str = "") -> Pooler:
            vllm_config = copy.copy(vllm_config)
            vllm_config.quant_config = None
            return super()._init_pooler(vllm_config, prefix)

    return WithHead


def int8_layers(model: nn.Module) -> list[LinearBase]:
    """Linear layers with int8 weights; other quantised layers name their weights differently."""
    layers = (layer for layer in model.modules() if isinstance(layer, LinearBase))
    return [layer for layer in layers if getattr(getattr(layer, "weight", None), "dtype", None) == torch.int8]


def dequantise(layer: LinearBase, dtype: torch.dtype) -> None:
    """Multiply int8 weights [out, in] by their scales, as Hugging Face runs such a checkpoint."""
    scales = layer.weight_scale  # of each output [out, 1], or of each matrix that vLLM has merged [matrices]
    if scales.ndim == 1:
        scales = scales.repeat_interleave(torch.tensor(layer.logical_widths))[:, None]
    layer.weight = nn.Parameter((layer.weight * scales).to(dtype), requires_grad=False)
    layer.quant_method = UnquantizedLinearMethod()
