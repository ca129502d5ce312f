"""The import hook behind `from vllm import LLM; LLM(..., task="token_classification")`.

Standard library only: it runs in every process that imports vLLM.

`platform` (entry point of the group `vllm.platform_plugins`) adds no platform. It is the only entry point that vLLM
loads early enough: general plugins load after `LLM.__init__` has raised its TypeError. vLLM resolves its platform while
the module of `vllm.LLM` is half imported, so an import hook can still wrap `LLM.__init__` before anyone calls it.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from vtag.compat.names import LLM_MODULE, MIXIN, MIXIN_MODULE
from vtag.system import environment


def platform() -> None:
    """Install the hook that adds the token-classification arguments to vLLM's `LLM`. Registers no platform."""
    environment.set_before_torch()
    llm = getattr(sys.modules.get(LLM_MODULE), "LLM", None)
    if llm is not None:
        patch_llm(llm)
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def patch_llm(llm: type) -> None:
    """Wrap `LLM.__init__`: with token-classification arguments the object becomes vtag's LLM, else nothing changes."""
    original: Callable[..., None] = llm.__init__  # type: ignore[misc]
    if hasattr(original, "__vtag__"):
        return

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("task") != "token_classification" and not isinstance(kwargs.get("model_config"), dict):
            return original(self, *args, **kwargs)
        from vtag.engine.llm import LLM

        self.__class__ = LLM
        return LLM.__init__(self, *args, **kwargs)

    init.__vtag__ = True  # type: ignore[attr-defined]
    llm.__init__ = init  # type: ignore[misc]


class _Finder(importlib.abc.MetaPathFinder):
    """Loads `LLM_MODULE` and `MIXIN_MODULE` as usual, and patches `LLM` right afterwards."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in (LLM_MODULE, MIXIN_MODULE):
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self.loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        if module.__name__ == LLM_MODULE:
            patch_llm(module.LLM)
        else:
            _patch_when_created(getattr(module, MIXIN))


def _patch_when_created(mixin: type) -> None:
    """Patch `class LLM(PoolingOfflineMixin)` when it is created by an import that started before the hook was
    installed.
    """

    def init_subclass(cls: type, **kwargs: Any) -> None:
        super(mixin, cls).__init_subclass__(**kwargs)  # type: ignore[arg-type]
        if (cls.__module__, cls.__qualname__) == (LLM_MODULE, "LLM"):
            patch_llm(cls)

    mixin.__init_subclass__ = classmethod(init_subclass)  # type: ignore[assignment]


def is_patched() -> bool:
    """Whether `from vllm import LLM` accepts the token-classification arguments in this process."""
    from vllm import LLM

    return hasattr(LLM.__init__, "__vtag__")
