"""Names that are needed before their packages are imported. Standard library only."""

from __future__ import annotations

# The module of `vllm.LLM`, and the module of one of its base classes: `LLM` is created while the second is already
# loaded.
LLM_MODULE = "vllm.entrypoints.llm"
MIXIN_MODULE = "vllm.entrypoints.pooling.offline"
MIXIN = "PoolingOfflineMixin"

# Groups of entry points, without the group of endpoint plugins.
PLUGIN_GROUPS = tuple(f"vllm.{kind}_plugins" for kind in ("general", "platform", "io_processor", "stat_logger"))

# Logs what happens to requests whose engine has died.
ASYNC_LOGGER = "vllm.v1.engine.async_llm"
# The logger in the engine's process.
ENGINE_LOGGER = "vllm.v1.engine.core"

# torch's logger of notes that a CPU has no Triton.
TRITON_LOGGER = "torch._library.triton"
