"""Where a server cannot write, or may open few files, it says so before anything is loaded."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.refusals import refused
from vtag.cli import serve


@pytest.mark.parametrize("folder", ["/proc", "/sys"])  # where nobody can make a file, root neither
def test_no_temporary_folder_is_one_line(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", folder)
    refused("no_temporary_folder", f"{folder}: cannot be written", serve._check_environment)


def test_no_shared_memory_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "SHARED_MEMORY", "/proc")
    refused("no_shared_memory", "tmpfs", serve._check_environment)


def vtag(limit: int, most: int) -> subprocess.CompletedProcess[str]:
    """`vtag serve demo` in a process with a lower limit."""
    command = [sys.executable, "-m", "vtag", "serve", "demo", "--port", "0"]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, preexec_fn=lambda: resource.setrlimit(limit, (most, most))
    )


def test_64_files_are_too_few() -> None:
    done = vtag(resource.RLIMIT_NOFILE, 64)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == "vtag: the limit of open files is 64, but a server needs 256: raise it (ulimit -n)\n"


def test_where_nothing_can_be_written_it_is_one_line() -> None:
    done = vtag(resource.RLIMIT_FSIZE, 0)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("vtag: ")
    assert done.stderr.count("\n") == 1
    assert "TMPDIR" in done.stderr


def test_an_origin_is_scheme_host_and_port(tmp_path: Path) -> None:
    for origin in ("app.example.com", "https://", "https://app.example.com/path", "*", "null"):
        done = subprocess.run(
            [sys.executable, "-m", "vtag", "serve", "demo", "--cors-origin", origin], capture_output=True, text=True
        )
        assert done.returncode == 2
        assert "--cors-origin" in done.stderr
