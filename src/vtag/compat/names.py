"""Names that are needed before the packages that have them are imported. Standard library only."""

from __future__ import annotations

# The module of `vllm.LLM`, and the one of a base class of it: `LLM` is made while the second is already loaded.
LLM_MODULE = "vllm.entrypoints.llm"
MIXIN_MODULE = "vllm.entrypoints.pooling.offline"
MIXIN = "PoolingOfflineMixin"

# Groups of entry points, beside that of endpoint plugins.
PLUGIN_GROUPS = tuple(f"vllm.{kind}_plugins" for kind in ("general", "platform", "io_processor", "stat_logger"))

# The logger of what becomes of a request whose engine has died.
ASYNC_LOGGER = "vllm.v1.engine.async_llm"
# That of the engine's process.
ENGINE_LOGGER = "vllm.v1.engine.core"

# torch's logger of notes that a CPU has no Triton.
TRITON_LOGGER = "torch._library.triton"
