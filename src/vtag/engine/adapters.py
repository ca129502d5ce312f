"""LoRA adapters, looked at before a request with one reaches the engine: what it cannot apply must never be dropped."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from vllm.lora.peft_helper import PEFTHelper
from vllm.lora.utils import get_adapter_absolute_path

from vtag.engine.checkpoint import pickle_shapes, safetensors_shapes
from vtag.errors import error

if TYPE_CHECKING:
    from vllm.config.lora import LoRAConfig
    from vllm.lora.request import LoRARequest

# A whole head (modules_to_save) or a low-rank change of the model's: vLLM's token pooler has one head for all requests.
HEAD = re.compile(r"(?:^|\.)(?:score|classifier)\.")


def check(request: LoRARequest, config: LoRAConfig | None) -> None:
    """Raise the one-line error for an adapter that the engine cannot apply in full."""
    name = request.lora_name
    if config is None:
        raise error("lora_off")
    folder = Path(get_adapter_absolute_path(request.lora_path))
    if not (folder / "adapter_config.json").is_file():
        raise error("lora_not_found", adapter=name)
    try:
        PEFTHelper.from_local_dir(str(folder), None).validate_legal(config)
        keys = safetensors_shapes(folder) or pickle_shapes(folder)
    except (ValueError, TypeError, json.JSONDecodeError) as cause:
        raise error("lora_refused", adapter=name, reason=" ".join(str(cause).split())) from cause
    if any(HEAD.search(key) for key in keys):
        raise error("lora_head", adapter=name)
