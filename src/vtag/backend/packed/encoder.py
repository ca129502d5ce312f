"""The Hugging Face module of a token classifier, run over many texts at once without padding.

Where the module allows it, many texts form one row (`vtag.backend.packed.row`). Otherwise texts are grouped by exactly
equal length: a group needs neither padding nor mask, so a text's logits cannot depend on its neighbours, and every
architecture computes what it computes for a single text.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForTokenClassification, AutoTokenizer

from vtag.backend import kernels
from vtag.backend.packed.copies import on_device
from vtag.backend.packed.cores import Cores
from vtag.backend.packed.linear import Int8Linear, prepare
from vtag.backend.packed.row import PackedRow, fits, rows
from vtag.compat.transformers_models import loading_report
from vtag.model.architectures import ARCHITECTURES
from vtag.model.checkpoint import load_config
from vtag.model.engine_settings import row_tokens
from vtag.model.weights import check_complete, check_finite
from vtag.system.memory import keep_freed

if TYPE_CHECKING:
    from vllm.config import VllmConfig

# Limits of a group, and so of its largest matrix: on a CPU such matrices stay near the cache, and in memory that is
# kept.
GROUP_TOKENS = 8192
GROUP_BYTES = 16 << 20


class Encoder(nn.Module):
    """`model(ids, lens)`: int64 [tokens], lengths of the texts -> float32 [tokens, labels].

    tokenizer: returns the tokenizer; called only for architectures whose inputs depend on it.
    """

    def __init__(self, model: nn.Module, tokenizer: Callable[[], Any]) -> None:
        super().__init__()
        config = model.config
        row = ARCHITECTURES[config.model_type]
        self.model = model.eval()
        self.num_labels: int = config.num_labels
        # vLLM's profile run sends longer texts than the module accepts.
        self.longest = row.limit(config)
        self.shortest = row.shortest(config) if row.shortest else 1
        self.pad_id: int = getattr(config.get_text_config(), "pad_token_id", None) or 0
        self.inputs = row.inputs(config, tokenizer()) if row.inputs else None
        self.alone = row.alone
        self.reset = row.reset
        accepted = inspect.signature(model.forward).parameters
        self.takes_mask = "attention_mask" in accepted
        self.fixed: dict[str, Any] = {"use_cache": False} if "use_cache" in accepted else {}
        self.row = PackedRow(model, self.inputs) if fits(model) else None
        weight = next(model.parameters())
        int8 = any(isinstance(layer, Int8Linear) for layer in model.modules())
        self.cores = Cores(apart=not (weight.is_cuda or int8))
        self.row_tokens = row_tokens(config, weight.element_size(), self.cores.count, weight.is_cuda)

    @classmethod
    def load(cls, vllm_config: VllmConfig) -> Encoder:
        """The module with the checkpoint's weights, on vLLM's device and in its dtype."""
        ours = vllm_config.model_config
        config = load_config(ours.model, revision=ours.revision, trust_remote_code=ours.trust_remote_code)
        config.id2label, config.label2id = ours.hf_config.id2label, ours.hf_config.label2id
        torch.manual_seed(ours.seed)
        dtype = torch.float32 if ARCHITECTURES[config.model_type].float32_only else ours.dtype
        kwargs: dict[str, Any] = {"dtype": dtype, "trust_remote_code": ours.trust_remote_code}
        if vllm_config.load_config.load_format == "dummy":
            model = AutoModelForTokenClassification.from_config(config, **kwargs)
        else:
            model, report = AutoModelForTokenClassification.from_pretrained(
                ours.model,
                config=config,
                revision=ours.revision,
                cache_dir=vllm_config.load_config.download_dir,
                use_safetensors=vllm_config.load_config.load_format != "pt",
                output_loading_info=True,
                **kwargs,
            )
            check_complete(loading_report(report).missing, model.base_model_prefix, ours.served_model_name)
            check_finite(model, ours.served_model_name)
        device = vllm_config.device_config.device
        if device.type == "cpu":
            keep_freed()
            int8 = getattr(ours.hf_config, "vtag_int8", False)
            # Recurrent modules amplify rounding differences: in float32 the modules of the general path keep their
            # layers.
            if int8 or fits(model) or dtype != torch.float32:
                prepare(model, int8)
            kernels.check("linear layers", dtype)
            if int8:
                kernels.check("linear layers in int8", dtype)
            if fits(model):
                kernels.check("attention", dtype)
        kwargs = {"revision": ours.tokenizer_revision, "trust_remote_code": ours.trust_remote_code}
        return cls(model.to(device), partial(AutoTokenizer.from_pretrained, ours.tokenizer, **kwargs))

    @torch.inference_mode()
    def forward(self, ids: torch.Tensor, lens: Sequence[int]) -> torch.Tensor:
        logits = torch.zeros(len(ids), self.num_labels, dtype=torch.float32, device=ids.device)
        if self.row is not None:
            work = rows(lens, self.row_tokens, self.longest, self.cores.count)
            self.cores.each(partial(self.run_row, self.row, ids, logits), work)
            return logits
        for group in equal_lengths(lens, self.group_tokens):
            index = on_device(group[:, : self.longest], ids.device)
            logits[index] = self.group(ids[index]).to(torch.float32)
        return logits

    @torch.inference_mode()
    def run_row(
        self, row: PackedRow, ids: torch.Tensor, logits: torch.Tensor, tokens: np.ndarray, lens: list[int]
    ) -> None:
        """Compute the row of these tokens, int64 [tokens of the row], and write its logits to their positions."""
        # Texts that came in order of length, as in a packed request, need no copies.
        whole = slice(int(tokens[0]), int(tokens[-1]) + 1)
        stand = (tokens[1:] == tokens[:-1] + 1).all()
        index = whole if stand else on_device(tokens, ids.device)
        logits[index] = row(ids[index], lens).to(torch.float32)

    def group_tokens(self, length: int) -> int:
        """How many tokens to run at once for texts of this length: scores are heads * tokens * length numbers."""
        if self.alone:
            return 1
        weight = next(self.model.parameters())
        if weight.is_cuda:
            return GROUP_TOKENS
        config = self.model.config.get_text_config()
        width = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
        widest = max(width, length * getattr(config, "num_attention_heads", 1))
        return min(GROUP_TOKENS, GROUP_BYTES // (widest * weight.element_size()))

    def group(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits of texts of one length, [texts, length, labels]."""
        if self.reset is not None:
            self.reset(self.model)
        length = ids.shape[1]
        padding = max(self.shortest - length, 0)
        inputs: dict[str, Any] = {"input_ids": nn.functional.pad(ids, (0, padding), value=self.pad_id), **self.fixed}
        if self.takes_mask:
            inputs["attention_mask"] = nn.functional.pad(torch.ones_like(ids), (0, padding))
        if self.inputs is not None:
            inputs |= self.inputs(inputs["input_ids"])
        return self.model(**inputs).logits[:, :length]


def equal_lengths(lens: Sequence[int], group_tokens: Callable[[int], int]) -> Iterator[np.ndarray]:
    """Token positions of the texts, int64 [texts, length], in groups of equal length with about `group_tokens(length)`
    tokens.
    """
    lengths = np.asarray(lens, dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    order = np.argsort(lengths, kind="stable")
    distinct, first = np.unique(lengths[order], return_index=True)
    for length, texts in zip(distinct.tolist(), np.split(order, first[1:]), strict=True):
        step = max(1, group_tokens(length) // length)
        for i in range(0, len(texts), step):
            yield starts[texts[i : i + step], None] + np.arange(length)
