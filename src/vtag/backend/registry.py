"""Registration of vtag's model classes in vLLM, under names of their own.

Imports nothing heavy: vLLM calls `register` in every one of its processes.
"""

from __future__ import annotations


def register() -> None:
    """Entry point of the group `vllm.general_plugins`; cheap, and idempotent."""
    from vllm import ModelRegistry

    from vtag.model.architectures import ARCHITECTURES, PACKED
    from vtag.system import environment

    environment.set_before_torch()
    known = ModelRegistry.get_supported_archs()
    if PACKED not in known:
        ModelRegistry.register_model(PACKED, "vtag.backend.packed.model:PackedForTokenClassification")
    for row in ARCHITECTURES.values():
        if row.native and row.vllm_name not in known:
            ModelRegistry.register_model(row.vllm_name, f"vtag.backend.native:{row.native}")


def load(architecture: str) -> None:
    """Register the class itself: for a name alone vLLM would start a process to inspect it, which
    takes eight seconds.
    """
    from vllm import ModelRegistry

    from vtag.compat.vllm_engine import model_class

    register()
    ModelRegistry.register_model(architecture, model_class(architecture))
