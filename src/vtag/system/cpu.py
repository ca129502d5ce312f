"""What this CPU has, as far as libraries may use it. Needs neither torch nor vLLM.

oneDNN and torch can be told to do with less than there is, by environment variables: so one CPU can stand for a smaller
one, in a test as in a hunt for a fault. What vtag decides by the CPU keeps to the same caps.
"""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

# Feature -> flags of /proc/cpuinfo. VNNI multiplies int8 into int32, with no 16 bits between.
FLAGS: dict[str, tuple[str, ...]] = {
    "AVX2": ("avx2", "fma"),
    "AVX-VNNI": ("avx_vnni",),
    "AVX512": ("avx512f", "avx512bw", "avx512vl", "avx512dq"),
    "AVX512-VNNI": ("avx512_vnni",),
    "AVX512-BF16": ("avx512_bf16",),
    "AMX": ("amx_tile", "amx_int8", "amx_bf16"),
}
# Names of oneDNN's levels -> the features that they leave.
# https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html
LEVELS: dict[str, tuple[str, ...]] = {
    "SSE41": (),
    "AVX": (),
    "AVX2": ("AVX2",),
    "AVX2_VNNI": ("AVX2", "AVX-VNNI"),
    "AVX2_VNNI_2": ("AVX2", "AVX-VNNI"),
    "AVX512_CORE": ("AVX2", "AVX512"),
    "AVX512_CORE_VNNI": ("AVX2", "AVX512", "AVX512-VNNI"),
    "AVX512_CORE_BF16": ("AVX2", "AVX512", "AVX512-VNNI", "AVX512-BF16"),
    "AVX512_CORE_FP16": ("AVX2", "AVX-VNNI", "AVX512", "AVX512-VNNI", "AVX512-BF16"),
    "AVX10_1_512": ("AVX2", "AVX-VNNI", "AVX512", "AVX512-VNNI", "AVX512-BF16"),
}
# torch's own levels; whoever names another one, or none, lowers nothing.
TORCH_LEVELS: dict[str, tuple[str, ...]] = {"default": (), "avx2": ("AVX2", "AVX-VNNI")}


def features() -> list[str]:
    """Those of `FLAGS` that the CPU has and that ONEDNN_MAX_CPU_ISA and ATEN_CPU_CAPABILITY leave."""
    level = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")).upper()
    left = set(LEVELS.get(level, FLAGS)) & set(TORCH_LEVELS.get(os.environ.get("ATEN_CPU_CAPABILITY", ""), FLAGS))
    return [name for name in hardware() if name in left]


def hardware() -> list[str]:
    """Those of `FLAGS` that the CPU has, whatever libraries are told."""
    there = flags()
    return [name for name, wanted in FLAGS.items() if there.issuperset(wanted)]


def has_bf16() -> bool:
    """Whether it multiplies bfloat16, and not only converts it."""
    return not {"AVX512-BF16", "AMX"}.isdisjoint(features())


def describe() -> str:
    """Name and features, in a line."""
    there, lowered = features(), "" if features() == hardware() else "as if it had "
    return f"{model_name()} ({lowered}{', '.join(there) or 'no AVX2'})"


def model_name() -> str:
    """As the CPU calls itself."""
    return _info().get("model name", platform.machine())


def flags() -> frozenset[str]:
    """As /proc/cpuinfo has them: `flags` on x86, `Features` on Arm."""
    return frozenset(_info().get("flags", _info().get("Features", "")).split())


@cache
def _info() -> dict[str, str]:
    """Of its first core."""
    first = Path("/proc/cpuinfo").read_text("utf-8").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
