"""Run by Python at its start (see ../lower_cpu.py): torch says of the CPU what `vtag.system.cpu` does."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType

MODULE = "torch.cpu"
# What torch's names for a feature begin with.
NAMES = {
    "AVX-VNNI": ("avx_vnni", "avx_ne"),
    "AVX512": ("avx512", "avx10"),
    "AVX512-VNNI": ("avx512_vnni",),
    "AVX512-BF16": ("avx512_bf16",),
    "AMX": ("amx",),
}


class Finder(importlib.abc.MetaPathFinder):
    """Lets the module load as ever, and changes it right after."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As the import system asks for."""
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def load_and_lower(module: ModuleType) -> None:
            load(module)
            lower(module)

        spec.loader.exec_module = load_and_lower  # type: ignore[method-assign]
        return spec


def lower(module: ModuleType) -> None:
    """All of torch's questions go through this one function."""
    from vtag.system import cpu

    gone = tuple(begin for feature, begins in NAMES.items() if feature not in cpu.features() for begin in begins)
    found = {name: value for name, value in module.get_capabilities().items() if not name.startswith(gone)}
    module.get_capabilities = lambda: MappingProxyType(found)  # type: ignore[attr-defined]


sys.meta_path.insert(0, Finder())
