"""The check for a GPU host without a network: what its bundle is made of, and that no part can stop the others."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "scripts" / "gpu"
WHEEL = {
    "vllm/__init__.py": "",
    "vllm/_C_stable_libtorch.abi3.so": "compiled",
    "vllm/vllm-rs": "compiled",
    "vllm/vllm_flash_attn/__init__.py": "",
    "vllm/vllm_flash_attn/_vllm_fa2_C.abi3.so": "compiled",
    "vllm/third_party/deep_gemm/__init__.py": "asks for a compiled module",
    "vllm/third_party/pynvml.py": "",
    "vllm/configs/N=1,K=[128,128].json": "{}",
    "vllm-0.99.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: vllm\nVersion: 0.99.0\n",
    "vllm-0.99.0.dist-info/RECORD": "",
}
# Instead of parts.py: what parts may do.
PARTS = """
import json, os, subprocess, sys, time

part, file = sys.argv[1:3]
rows = {"first": {"right": True, "speed": 7}}
if part == "wrong":
    rows["second"] = {"right": False, "error": "it was off"}
with open(file, "w") as out:
    json.dump(rows, out)
if part == "dies":
    sys.exit("no more memory")
if part == "hangs":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(child.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def bundle() -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / "bundle.py"))


@pytest.fixture
def check(tmp_path: Path) -> dict[str, Any]:
    """check.py with other parts."""
    found = runpy.run_path(str(FOLDER / "check.py"))
    (tmp_path / "parts.py").write_text(PARTS, "utf-8")
    found["main"].__globals__.update(HERE=tmp_path, LIMITS=dict.fromkeys(("dies", "hangs", "wrong", "works"), 2))
    return found


def runs(process: str) -> bool:
    """Whether it does; one that has ended may wait for its parent to notice."""
    stat = Path("/proc", process, "stat")
    return stat.exists() and stat.read_text("utf-8").rpartition(")")[2].split()[0] not in "ZX"


def installed(wheel: Path, site: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--no-deps"]
    done = subprocess.run([*pip, "--target", site, wheel], stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr == ""
    return site


def test_a_bundle_has_vllms_python_files_and_two_modules_in_place_of_compiled_ones(
    bundle: dict[str, Any], tmp_path: Path
) -> None:
    whole = tmp_path / "vllm-0.99.0-cp38-abi3-manylinux_2_28_x86_64.whl"
    with zipfile.ZipFile(whole, "w") as made:
        for name, text in WHEEL.items():
            made.writestr(name, text)
    site = installed(bundle["write_wheel"](tmp_path, *bundle["python_files"](whole)), tmp_path / "site")
    files = {
        str(path.relative_to(site)) for path in site.rglob("*") if path.is_file() and ".dist-info" not in str(path)
    }
    assert {name for name in files if not name.endswith(".pyc")} == {
        "vllm/__init__.py",
        "vllm/_C_stable_libtorch.py",
        "vllm/vllm_flash_attn/__init__.py",
        "vllm/vllm_flash_attn/_vllm_fa2_C.py",
        "vllm/third_party/pynvml.py",
        "vllm/configs/N=1,K=[128,128].json",
    }
    assert (site / "vllm-0.99.0.dist-info" / "METADATA").read_text("utf-8") == WHEEL["vllm-0.99.0.dist-info/METADATA"]


def test_what_stands_in_for_a_package_can_be_imported_and_not_called(bundle: dict[str, Any], tmp_path: Path) -> None:
    site = installed(bundle["write_wheel"](tmp_path, "stand_ins-0", bundle["stand_ins"]()), tmp_path / "site")
    code = "import llguidance; llguidance.LLMatcher | None; llguidance.Kind.FAST; llguidance.LLTokenizer('x')"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False
    )
    assert (
        done.stderr.splitlines()[-1] == "RuntimeError: llguidance is not in this bundle: LLTokenizer cannot be called"
    )


def test_the_bundles_packages_are_those_of_the_lock_but_for_the_ones_that_build_vtag(bundle: dict[str, Any]) -> None:
    locked = bundle["pins"]((ROOT / "requirements" / "cpu.txt").read_text("utf-8"))
    assert {name for name in bundle["PACKAGES"] if name not in locked} == {"hatchling", "trove-classifiers"}
    assert "protobuf" in locked  # which is there for several platforms
    assert not any("," in pin or ";" in pin for pin in locked.values())


def test_a_part_that_fails_hangs_or_dies_is_a_line_and_the_rest_goes_on(
    check: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["check.py", "--out", str(out)])
    assert check["main"]() == 1
    result = json.loads(out.read_text("utf-8"))
    first = {"right": True, "speed": 7}
    (child,) = result["logs"]["hangs"]
    assert result["parts"] == {
        "dies": {"first": first, "dies": {"right": False, "error": "ended with code 1: no more memory"}},
        "hangs": {"first": first, "hangs": {"right": False, "error": f"took more than 2 seconds: {child}"}},
        "wrong": {"first": first, "second": {"right": False, "error": "it was off"}},
        "works": {"first": first},
    }
    assert result["logs"].keys() == {"dies", "hangs", "wrong"}
    assert not runs(child)
    assert capsys.readouterr().out.splitlines()[-1] == "wrong: dies, hangs, wrong"


def test_parts_that_no_time_is_left_for_say_so(
    check: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["check.py", "--minutes", "0", "--out", str(out)])
    assert check["main"]() == 1
    rows = json.loads(out.read_text("utf-8"))["parts"]
    assert rows["works"] == {"works": {"right": False, "error": "no time was left"}}


KINDS = ("bert", "roberta", "deberta-v2")
# All but the names, which tests/contract looks at.
PARTS_OF_A_GPU = ("document", "parity", "stream", "serve", "memory", "native")


@pytest.mark.long
@pytest.mark.alone
def test_all_parts_are_right_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    command: list[str | Path] = [sys.executable, FOLDER / "check.py", "--cpu", "--out", out]
    for part in PARTS_OF_A_GPU:
        command += ["--only", part]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    parts = json.loads(out.read_text("utf-8"))["parts"]
    # As a sample, that there is something behind "right".
    assert parts["document"]["bert"]["off"] < 0.1
    assert parts["parity"].keys() == {f"{kind} {dtype}" for kind in KINDS for dtype in ("float32", "bfloat16")}
    assert min(value for name, value in parts["stream"]["tiny"].items() if name.endswith("_texts_s")) > 0
    assert parts["serve"]["4 clients"]["p50_ms"] > 0
