"""The packed route: a Hugging Face token classifier inside one vLLM model class, many texts in one request.

For vLLM the model is attention-free: no KV cache, no block tables. `forward` passes the token ids through, and the
pooler, which alone knows where requests begin and end, runs the Hugging Face module over everything scheduled in the
step. `PoolingParams.extra_kwargs["lens"]` has the lengths of a request's texts; a request without it is one text, so
the class also works as a plain vLLM model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from vllm.config import VllmConfig

from vtag.backend.packed.encoder import Encoder
from vtag.compat.vllm_models import IsAttentionFree, PoolingMetadata, TokenPooler, activation, per_token, scheduled


@per_token
class PackedForTokenClassification(nn.Module, IsAttentionFree):
    """vLLM's view of the encoder: ids in, logits of every token out."""

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__()
        self.encoder = Encoder.load(vllm_config)
        self.pooler = PackedPooler(self.encoder, activation(vllm_config.model_config))

    def embed_input_ids(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Ids as float32 [tokens, 1]: exact below 2**24."""
        return input_ids.unsqueeze(-1).to(torch.float32)

    def forward(
        self,
        input_ids: torch.Tensor,
        positions: torch.Tensor,
        intermediate_tensors: object = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: object,
    ) -> torch.Tensor:
        """Pass the ids through to the pooler, float32 [tokens, 1]."""
        return self.embed_input_ids(input_ids)

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
        """Nothing to load: Hugging Face loaded the weights in `Encoder.load`, with its key renaming
        and weight tying.
        """
        return {name for name, _ in self.named_parameters()}


class PackedPooler(TokenPooler):
    """Runs the encoder over all scheduled requests at once and gives each request its rows."""

    def __init__(self, encoder: Encoder, activation: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.activation = activation

    def forward(self, hidden_states: torch.Tensor, pooling_metadata: PoolingMetadata) -> list[torch.Tensor]:
        """float32 [tokens, 1] ids -> one float32 [request's tokens, labels] per request."""
        sizes, params = scheduled(pooling_metadata)
        lens = [n for size, param in zip(sizes, params, strict=True) for n in text_lens(param.extra_kwargs, size)]
        logits = self.encoder(hidden_states.squeeze(-1).to(torch.int64), lens)
        rows = torch.split(logits, sizes)
        return [self.activation(row) if param.use_activation else row for row, param in zip(rows, params, strict=True)]


def text_lens(extra: dict[str, Any] | None, size: int) -> list[int]:
    """Lengths of the texts in a request of `size` tokens.

    A list with another sum cannot come from vtag, and an exception here would end the engine for all requests: such a
    request is treated as one text, which affects only itself.
    """
    lens = (extra or {}).get("lens")
    if isinstance(lens, list) and all(type(n) is int and n > 0 for n in lens) and sum(lens) == size:
        return lens
    return [size]
