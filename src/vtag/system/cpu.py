"""Features of this CPU that libraries may use. Needs neither torch nor vLLM.

Environment variables limit what oneDNN and torch use, so that a test can run on a CPU as if it were a smaller one.
vtag's own decisions respect the same limits.
"""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

# Feature -> flags of /proc/cpuinfo. VNNI multiplies int8 into int32 without 16-bit intermediates.
FLAGS: dict[str, tuple[str, ...]] = {
    "AVX2": ("avx2", "fma"),
    "AVX-VNNI": ("avx_vnni",),
    "AVX512": ("avx512f", "avx512bw", "avx512vl", "avx512dq"),
    "AVX512-VNNI": ("avx512_vnni",),
    "AVX512-BF16": ("avx512_bf16",),
    "AMX": ("amx_tile", "amx_int8", "amx_bf16"),
}
# oneDNN's levels -> the features that they allow.
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
# torch's levels -> the features that they allow; an unknown level allows all.
TORCH_LEVELS: dict[str, tuple[str, ...]] = {"default": (), "avx2": ("AVX2", "AVX-VNNI")}


def features() -> list[str]:
    """The `FLAGS` that the CPU has and that ONEDNN_MAX_CPU_ISA and ATEN_CPU_CAPABILITY allow."""
    level = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")).upper()
    left = set(LEVELS.get(level, FLAGS)) & set(TORCH_LEVELS.get(os.environ.get("ATEN_CPU_CAPABILITY", ""), FLAGS))
    return [name for name in hardware() if name in left]


def hardware() -> list[str]:
    """The `FLAGS` that the CPU has, whatever the environment allows."""
    there = flags()
    return [name for name, wanted in FLAGS.items() if there.issuperset(wanted)]


def has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16, and does not only convert it."""
    return not {"AVX512-BF16", "AMX"}.isdisjoint(features())


def describe() -> str:
    """Name and features, in a line."""
    there, lowered = features(), "" if features() == hardware() else "as if it had "
    return f"{model_name()} ({lowered}{', '.join(there) or 'no AVX2'})"


def model_name() -> str:
    """The CPU's own model name."""
    return _info().get("model name", platform.machine())


def flags() -> frozenset[str]:
    """Flags of /proc/cpuinfo: `flags` on x86, `Features` on Arm."""
    return frozenset(_info().get("flags", _info().get("Features", "")).split())


@cache
def _info() -> dict[str, str]:
    """/proc/cpuinfo of the first core."""
    first = Path("/proc/cpuinfo").read_text("utf-8").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
