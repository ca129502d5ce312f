"""vLLM's cache of tokenizers."""

from __future__ import annotations

from typing import Any


def load(model: str, *, mode: str, revision: str | None, remote_code: bool) -> Any:
    """Load a tokenizer as an engine of vLLM will, so that the engine finds it in the cache."""
    from vllm.tokenizers import cached_get_tokenizer

    return cached_get_tokenizer(
        model, runner_type="pooling", tokenizer_mode=mode, revision=revision, trust_remote_code=remote_code
    )


def forget() -> None:
    """Empty the cache."""
    from vllm.tokenizers import cached_get_tokenizer

    cached_get_tokenizer.cache_clear()
