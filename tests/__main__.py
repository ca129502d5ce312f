"""`python -m tests [arguments of pytest]`: pytest, and after it a look at what it has left behind.

A run in which all passed leaves no process, so no open port either, and no temporary file. Where a test has failed, the
temporary files are kept.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.integrations.ray.nodes import processes

MARK = "VTAG_TESTS"
# The folder of tmp_path, which pytest keeps, and torch's cache of what it compiles.
KEPT = re.compile("pytest-of-|torchinductor_")
PATIENCE = 10  # seconds for processes that are about to end


def main(arguments: list[str]) -> int:
    """The exit code of pytest, or 1 where something is left."""
    folder = Path(tempfile.mkdtemp(prefix="vtag-tests-"))
    mark = f"{MARK}={os.getpid()}"
    command = [sys.executable, "-m", "pytest", *arguments]
    environment = os.environ | {"TMPDIR": str(folder), MARK: str(os.getpid())}
    code = subprocess.run(command, env=environment, check=False).returncode
    if code:
        return code
    end = time.monotonic() + PATIENCE
    while (left := [title.replace("\0", " ") for title in processes(mark).values()]) and time.monotonic() < end:
        time.sleep(0.1)
    left += [str(path) for path in folder.iterdir() if not KEPT.match(path.name)]
    if left:
        print("left behind:", *left, sep="\n", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
