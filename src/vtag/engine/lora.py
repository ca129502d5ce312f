"""Checks of LoRA adapters before a request reaches the engine, so that no part of one is silently ignored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vtag.compat import vllm_lora
from vtag.errors import error, reason
from vtag.model.weights import pickle_shapes, safetensors_shapes

if TYPE_CHECKING:
    from vllm.config.lora import LoRAConfig
    from vllm.lora.request import LoRARequest

# A whole head (modules_to_save) or a low-rank change of the model's: vLLM's token pooler has one head for all requests.
HEAD = re.compile(r"(?:^|\.)(?:score|classifier)\.")


def check(request: LoRARequest, config: LoRAConfig | None) -> None:
    """Raise an error for an adapter that the engine cannot apply completely."""
    name = request.lora_name
    if config is None:
        raise error("lora_off")
    folder = vllm_lora.folder_of(request.lora_path)
    if not (folder / "adapter_config.json").is_file():
        raise error("lora_not_found", adapter=name)
    try:
        vllm_lora.check(folder, config)
        whole = folder / "adapter_model.safetensors"
        keys = safetensors_shapes(whole) if whole.is_file() else pickle_shapes(folder / "adapter_model.bin")
    except Exception as cause:  # peft, vLLM and the readers of the files raise different exceptions
        raise error("lora_refused", adapter=name, reason=f"{reason(cause).rstrip('.')}.") from cause
    if any(HEAD.search(key) for key in keys):
        raise error("lora_head", adapter=name)
