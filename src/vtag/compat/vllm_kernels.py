"""vLLM's matmuls on CPU, called by argument name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from vllm import _custom_ops as ops

Product = Callable[[torch.Tensor], torch.Tensor]
# How many layouts of one matmul oneDNN caches, by number of tokens.
LAYOUTS = 128


def quantised(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[tokens, in] -> int8 [tokens, in] and the scale of each token, float32 [tokens, 1]."""
    int8, scales, _ = ops.onednn_scaled_int8_quant(input=x.contiguous(), symmetric=True)
    return int8, scales


class Int8Weights:
    """Weights for int8 matmuls with output `dtype`: int8 [out, in], and the scale of each output, float32 [out, 1]."""

    def __init__(self, int8: torch.Tensor, scales: torch.Tensor, dtype: torch.dtype) -> None:
        # The handler reads both tensors in place: they must live as long as it does.
        self.int8, self.scales = int8.t(), scales
        self._handler = ops.create_onednn_scaled_mm(
            weight=self.int8,
            weight_scales=self.scales,
            output_type=dtype,
            dynamic_quant=True,
            use_azp=False,
            primitive_cache_size=LAYOUTS,
        )

    def multiply(self, x: torch.Tensor, scales: torch.Tensor, out: torch.Tensor, bias: torch.Tensor | None) -> None:
        """Write the matmul of int8 [tokens, in], with the scale of each token, to `out` [tokens, out]."""
        ops.onednn_scaled_mm(
            dnnl_handler=self._handler,
            x=x,
            output=out,
            input_scale=scales,
            input_zp=None,
            input_zp_adj=None,
            bias=bias,
        )


def of_linear(linear: nn.Linear) -> Product:
    """vLLM's matmul for a layer with these weights."""
    from vllm.model_executor.layers.utils import dispatch_cpu_unquantized_gemm

    dispatch_cpu_unquantized_gemm(linear, remove_weight=False)
    return lambda x: linear.cpu_linear(x, linear.weight, linear.bias)


def of_int8_checkpoint(int8: torch.Tensor, scales: torch.Tensor, bias: torch.Tensor | None) -> Product:
    """vLLM's matmul for checkpoints of int8 weights [out, in], with a scale for each output and each token."""
    from vllm.model_executor.kernels.linear import init_int8_linear_kernel

    kernel = init_int8_linear_kernel(
        is_channelwise=True, is_static_input_scheme=False, input_symmetric=True, module_name="vtag"
    )
    layer = nn.Module()
    for name, tensor in zip(kernel.layer_param_names, (int8, scales, None, None, None), strict=True):
        setattr(layer, name, None if tensor is None else nn.Parameter(tensor, requires_grad=False))
    layer.logical_widths = [len(int8)]
    layer.bias = bias
    kernel.process_weights_after_loading(layer)
    return lambda x: kernel.apply_weights(layer, x, layer.bias)


def attention_head_sizes() -> Sequence[int]:
    """The head sizes that vLLM's CPU attention supports."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    return list(CPUAttentionBackend.get_supported_head_sizes())
