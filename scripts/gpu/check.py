"""Run all that is worth knowing about vtag on this machine's GPU, within some minutes, and write one JSON file.

    python scripts/gpu/check.py [--minutes 7] [--out FILE] [--cpu] [--only PART]

Each part (parts.py) is a process with a limit of its own. What fails is a line, in the file and here, and the rest goes
on; the file is whole after every part, and has what a part had found when its time was up. Exit code 1 where anything
is wrong. --cpu: the same parts on a CPU, with small models and few texts, to check the check itself.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Seconds of each part at most, in order of worth. Coalescer they are longer than the seven minutes: few take all.
LIMITS = {
    "document": 90,
    "parity": 120,
    "stream": 150,
    "serve": 100,
    "memory": 60,
    "native": 60,
    "names": 60,
}
# Of what a part printed, where something is wrong.
LOG_LINES = 80
# Before a part's time is up, it prints where its threads are: so many seconds before.
STACKS_BEFORE = 5.0
# Parts of `dry_run.py` alone.
DRY = {"as_cuda": 300, "runner_of_gpus": 300}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=7.0, help="for all parts together (default: 7)")
    parser.add_argument("--out", type=Path, default=Path("gpu-check.json"), metavar="FILE")
    parser.add_argument("--cpu", action="store_true", help="small, on the CPU")
    parser.add_argument("--only", choices=[*LIMITS, *DRY], action="append", metavar="PART", help="may be repeated")
    parser.add_argument("--bundle", type=Path, metavar="FILE", help="a bundle.json, to be part of the result")
    args = parser.parse_args()
    ends = time.monotonic() + 60 * args.minutes
    begun = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    result: dict[str, Any] = {"begun": begun, "cpu": args.cpu, "parts": {}, "logs": {}}
    if args.bundle:
        result["bundle"] = json.loads(args.bundle.read_text("utf-8"))
    for part in args.only or LIMITS:
        rows, log = run(part, min((LIMITS | DRY)[part], ends - time.monotonic()), args.cpu)
        result["parts"][part] = rows
        if not all(row["right"] for row in rows.values()):
            result["logs"][part] = log
        args.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
        for name, row in rows.items():
            print(f"{part:15}{name:24} {'' if row['right'] else 'WRONG '}{shown(row)}", flush=True)
    wrong = [part for part, rows in result["parts"].items() if not all(row["right"] for row in rows.values())]
    print(f"wrong: {', '.join(wrong)}" if wrong else "all parts are right")
    return int(bool(wrong))


def run(part: str, seconds: float, cpu: bool) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The rows of a part, name -> "right" and figures, or "right" and "error"; and the last lines that it printed."""
    if seconds <= 0:
        return {part: {"right": False, "error": "no time was left"}}, []
    with tempfile.TemporaryDirectory(prefix="vtag-check-") as folder:
        found, log = Path(folder, "rows.json"), Path(folder, "log")
        command = [sys.executable, str(HERE / "parts.py"), part, str(found), *(["--cpu"] if cpu else [])]
        command += ["--stacks", str(max(seconds - STACKS_BEFORE, seconds / 2))]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=os.environ | {"TMPDIR": folder, "PYTHONUNBUFFERED": "1", "VTAG_DEBUG": "1"},
            )
            try:
                code = process.wait(seconds)
                ended = f"ended with code {code}"
            except subprocess.TimeoutExpired:
                code, ended = None, f"took more than {seconds:.0f} seconds"
            finally:
                kill_group(process)
        rows: dict[str, dict[str, Any]] = json.loads(found.read_text("utf-8")) if found.exists() else {}
        lines = log.read_text("utf-8", "replace").strip().splitlines()[-LOG_LINES:]
        if code != 0:
            rows[part] = {"right": False, "error": ": ".join([ended, *lines[-1:]])}
    return rows, lines


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a part and of the processes that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def shown(row: dict[str, Any]) -> str:
    """A row in a line."""
    return ", ".join(f"{name} {value}" for name, value in row.items() if name != "right")


if __name__ == "__main__":
    sys.exit(main())
