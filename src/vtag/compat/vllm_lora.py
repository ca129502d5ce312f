"""LoRA adapters, found and checked by vLLM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vllm.lora.peft_helper import PEFTHelper
from vllm.lora.utils import get_adapter_absolute_path

if TYPE_CHECKING:
    from vllm.config.lora import LoRAConfig


def folder_of(path: str) -> Path:
    """The folder of a request's adapter; downloads it from the hub if necessary."""
    return Path(get_adapter_absolute_path(path))


def check(folder: Path, config: LoRAConfig) -> None:
    """Raise ValueError for an adapter that an engine of this config refuses."""
    PEFTHelper.from_local_dir(lora_path=str(folder), max_position_embeddings=None).validate_legal(config)
