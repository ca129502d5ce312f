"""vtag's model classes made known to vLLM, under names of vtag's own.

Nothing heavy at import: vLLM calls `register` in every one of its processes.
"""

from __future__ import annotations


def register() -> None:
    """Entry point of the group `vllm.general_plugins`; cheap, and harmless when called again."""
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
    """Give vLLM the class itself: for a name alone it would start a process to look at it, some eight seconds."""
    from vllm import ModelRegistry

    from vtag.compat.vllm_engine import model_class

    register()
    ModelRegistry.register_model(architecture, model_class(architecture))
