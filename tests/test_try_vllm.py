"""What a trial of another vLLM takes out of its wheel."""

from __future__ import annotations

import runpy
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
METADATA = (
    "Metadata-Version: 2.4\nName: vllm\nVersion: 0.99.0\nRequires-Dist: transformers<6,>=5\n\nVersion: of what?\n"
)
WHEEL = {
    "vllm/__init__.py": "",
    "vllm/envs.py": "",
    "vllm/_C.abi3.so": "compiled for CUDA",
    "vllm/third_party/deep_gemm/_C.so": "compiled for CUDA",
    "vllm/third_party/triton_kernels/matmul.py": "for Triton",
    "vllm/third_party/pynvml.py": "",
    "vllm/model_executor/config.json": "{}",
    "vllm-0.99.0.dist-info/METADATA": METADATA,
    "vllm-0.99.0.dist-info/RECORD": "",
}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "vllm-0.99.0-cp38-abi3-manylinux_2_28_x86_64.whl"
    with zipfile.ZipFile(path, "w") as made:
        for name, text in WHEEL.items():
            made.writestr(name, text)
    return path


def test_the_python_files_of_a_wheel_are_a_build_for_cpus(wheel: Path, tmp_path: Path) -> None:
    trial = runpy.run_path(str(ROOT / "scripts" / "try_vllm.py"))
    site = tmp_path / "site"
    assert trial["unpack"](wheel, site) == "transformers<6,>=5"
    files = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    assert files == {
        "vllm/__init__.py",
        "vllm/envs.py",
        "vllm/third_party/pynvml.py",
        "vllm/model_executor/config.json",
        "vllm-0.99.0+cpu.dist-info/METADATA",
    }
    (there,) = metadata.distributions(path=[str(site)])
    assert (there.name, there.version) == ("vllm", "0.99.0+cpu")


def test_the_locked_version_is_tried_with_what_its_build_for_cpus_corrects(tmp_path: Path) -> None:
    trial = runpy.run_path(str(ROOT / "scripts" / "try_vllm.py"))
    for build, fixed in (("locked", "right"), ("trial", "wrong")):
        (tmp_path / build / "utils").mkdir(parents=True)
        (tmp_path / build / "utils" / "cpu.py").write_text(fixed, "utf-8")
        (tmp_path / build / "same.py").write_text("same", "utf-8")
    assert trial["correct"](tmp_path / "locked", tmp_path / "trial") == ["utils/cpu.py"]
    assert (tmp_path / "trial" / "utils" / "cpu.py").read_text("utf-8") == "right"


def test_transformers_is_asked_for_as_vtag_does() -> None:
    trial = runpy.run_path(str(ROOT / "scripts" / "try_vllm.py"))
    asked = Requirement(f"transformers{trial['vtags_transformers']()}")
    assert asked.specifier.contains(metadata.version("transformers"))
