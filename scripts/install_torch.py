"""Install torch from the user's own package index, or from PyTorch's CPU index where the first has only a CUDA build.

A CUDA build cannot be imported without CUDA's libraries: hundreds of megabytes that a CPU never uses.

    python scripts/install_torch.py "torch==2.13.0" CPU_INDEX_URL
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-deps")


def needs_cuda(report: dict[str, Any]) -> bool:
    """Whether what pip reports that it would install (nothing, where it is there already) asks for CUDA's libraries."""
    return any(
        requirement.startswith(("nvidia-", "cuda-"))
        for package in report["install"]
        for requirement in package["metadata"].get("requires_dist", [])
    )


def main(requirement: str, cpu_index: str) -> int:
    # pip reads the metadata alone here: nothing is downloaded that will not be used.
    looked = subprocess.run([*PIP, "--dry-run", "--report", "-", requirement], stdout=subprocess.PIPE, check=False)
    source: list[str] = []
    if looked.returncode or needs_cuda(json.loads(looked.stdout)):
        print(f"{requirement}: no CPU build on the default index, taking it from {cpu_index}", flush=True)
        source = ["--index-url", cpu_index]
    # Compiled together with all the rest later on.
    return subprocess.run([*PIP, "--no-compile", *source, requirement], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
