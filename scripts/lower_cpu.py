"""Run a command as on a smaller CPU: `python scripts/lower_cpu.py LEVEL COMMAND...`, or `all` for each level in turn.

oneDNN and torch are lowered by their environment variables. vLLM picks its kernels by what torch says of the CPU, which
knows no variable: `lowered/sitecustomize.py`, on PYTHONPATH, has torch say less. A level above the CPU is named as not
reachable, and not run: a library that is told so believes it, and dies of an illegal instruction.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from vtag.system import cpu

# Those at which kernels change.
LEVELS = ("AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI", "AVX512_CORE_BF16")


def reachable(level: str) -> bool:
    """Whether the CPU has all that the level leaves."""
    return set(cpu.LEVELS[level]) <= set(cpu.features())


def environment(level: str) -> dict[str, str]:
    """For a process that shall see no more than the level."""
    path = [str(Path(__file__).with_name("lowered")), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "ONEDNN_MAX_CPU_ISA": level,
        "ATEN_CPU_CAPABILITY": "avx512" if "AVX512" in cpu.LEVELS[level] else "avx2",
        "PYTHONPATH": os.pathsep.join(path),
    }


def main(wanted: str, command: list[str]) -> int:
    """Exit code: the worst of the command's; 2 for a level asked for by name that is not reachable."""
    code = 0
    for level in LEVELS if wanted == "all" else [wanted]:
        if not reachable(level):
            print(f"{level}: not reachable here, the CPU has {', '.join(cpu.features())}", file=sys.stderr, flush=True)
            code = max(code, 0 if wanted == "all" else 2)
        else:
            if wanted == "all":
                print(f"{level}:", flush=True)
            code = max(code, subprocess.run(command, env=environment(level), check=False).returncode)
    return code


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("all", *LEVELS):
        sys.exit(f"usage: python scripts/lower_cpu.py {{all,{','.join(LEVELS)}}} COMMAND...")
    sys.exit(main(sys.argv[1], sys.argv[2:]))
