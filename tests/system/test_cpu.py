"""What the CPU has, and what environment variables leave of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vtag.system import cpu

SCRIPT = str(Path(__file__).parents[2] / "scripts" / "lower_cpu.py")
AVX512 = "avx2 fma avx512f avx512bw avx512vl avx512dq"
FLAGS = {
    "Zen 3": "sse4_2 avx2 fma vaes",
    "Alder Lake": "sse4_2 avx2 fma avx_vnni",
    "Skylake": AVX512,
    "Zen 4": f"{AVX512} avx512_vnni avx512_bf16",
    "Sapphire Rapids": f"{AVX512} avx_vnni avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_int8 amx_bf16",
}


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No caps yet."""
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def has(on: pytest.MonkeyPatch, name: str, **caps: str) -> str:
    on.setattr(cpu, "_info", lambda: {"model name": name, "flags": FLAGS[name]})
    for variable, value in caps.items():
        on.setenv(variable, value)
    return " ".join(cpu.features())


def test_features_are_those_of_the_flags(on: pytest.MonkeyPatch) -> None:
    assert has(on, "Zen 3") == "AVX2"
    assert has(on, "Alder Lake") == "AVX2 AVX-VNNI"
    assert has(on, "Skylake") == "AVX2 AVX512"
    assert has(on, "Zen 4") == "AVX2 AVX512 AVX512-VNNI AVX512-BF16"
    assert has(on, "Sapphire Rapids") == "AVX2 AVX-VNNI AVX512 AVX512-VNNI AVX512-BF16 AMX"


def test_bf16_is_the_default_where_it_is_multiplied(on: pytest.MonkeyPatch) -> None:
    for name in FLAGS:
        has(on, name)
        assert cpu.has_bf16() == (name in ("Zen 4", "Sapphire Rapids"))
    has(on, "Zen 4", ONEDNN_MAX_CPU_ISA="AVX512_CORE_VNNI")
    assert not cpu.has_bf16()


def test_a_cap_lowers_and_never_raises(on: pytest.MonkeyPatch) -> None:
    assert has(on, "Zen 4", ONEDNN_MAX_CPU_ISA="avx2") == "AVX2"
    assert has(on, "Zen 3", ONEDNN_MAX_CPU_ISA="AVX512_CORE_BF16") == "AVX2"
    assert has(on, "Zen 4", ONEDNN_MAX_CPU_ISA="AVX512_CORE") == "AVX2 AVX512"
    assert has(on, "Sapphire Rapids", ONEDNN_MAX_CPU_ISA="AVX512_CORE_BF16") == ("AVX2 AVX512 AVX512-VNNI AVX512-BF16")
    for level in cpu.LEVELS:
        for name in FLAGS:
            has(on, name, ONEDNN_MAX_CPU_ISA=level)
            assert set(cpu.features()) <= set(cpu.hardware())


def test_each_of_the_variables_lowers_and_unknown_values_do_not(on: pytest.MonkeyPatch) -> None:
    whole = has(on, "Zen 4", ONEDNN_MAX_CPU_ISA="DEFAULT", ATEN_CPU_CAPABILITY="avx512")
    assert whole == "AVX2 AVX512 AVX512-VNNI AVX512-BF16"
    assert cpu.describe() == "Zen 4 (AVX2, AVX512, AVX512-VNNI, AVX512-BF16)"
    assert has(on, "Zen 4", ATEN_CPU_CAPABILITY="avx2") == "AVX2"
    assert cpu.describe() == "Zen 4 (as if it had AVX2)"
    on.delenv("ONEDNN_MAX_CPU_ISA")
    on.delenv("ATEN_CPU_CAPABILITY")
    assert has(on, "Zen 4", DNNL_MAX_CPU_ISA="AVX2") == "AVX2"


def test_an_arm_cpu_has_none_of_them_and_its_flags_are_read(on: pytest.MonkeyPatch) -> None:
    on.setattr(cpu, "_info", lambda: {"Features": "fp asimd bf16 i8mm"})
    assert cpu.features() == []
    assert "bf16" in cpu.flags()
    assert cpu.model_name()


# torch asks the CPU itself; its names of the same things.
TORCHS = {
    "AVX2": "avx2",
    "AVX-VNNI": "avx_vnni",
    "AVX512": "avx512_f",
    "AVX512-VNNI": "avx512_vnni",
    "AVX512-BF16": "avx512_bf16",
    "AMX": "amx_tile",
}


@pytest.mark.kernels
def test_torch_finds_the_same() -> None:
    found = torch.cpu.get_capabilities()
    assert cpu.features() == [name for name in cpu.FLAGS if found.get(TORCHS[name])]


def test_a_script_makes_torch_and_vllm_take_the_cpu_for_a_smaller_one() -> None:
    code = "import torch; print([torch.cpu._is_avx512_supported(), torch.cpu._is_amx_tile_supported()])"
    code += "; from vtag.system import cpu; print(cpu.features())"
    command = [sys.executable, SCRIPT, "AVX2", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["[False, False]", "['AVX2']"]


def test_it_never_forces_a_level_above_the_cpu() -> None:
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    command = [sys.executable, SCRIPT, "AVX512_CORE", sys.executable, "-c", "print('ran')"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "AVX512_CORE: not reachable here, the CPU has AVX2\n"
