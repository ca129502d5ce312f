"""Python scripts that tests run in processes of their own, without ten seconds of imports for each.

One process imports vLLM and vtag once and forks itself for each script (Python's own forkserver, as in
`multiprocessing`). What an import itself does, or reads from the environment, such as VLLM_PLUGINS, a script of this
kind cannot show: that needs `subprocess`.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory
from types import ModuleType


class Script:
    """A script that runs; methods and attributes are those of `subprocess.Popen`."""

    def __init__(self, process: ForkServerProcess, arguments: Sequence[str]) -> None:
        self._process = process
        self.args = arguments
        assert process.pid is not None
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutExpired(self.args, timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    arguments: Sequence[str],
    stdout: Path,
    stderr: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Path | None = None,
    start_new_session: bool = False,
) -> Script:
    """`python *arguments` (a file, `-m module` or `-c code`, and what they are given); without stderr, both in one."""
    environment = dict(os.environ if env is None else env)
    files = (str(stdin or os.devnull), str(stdout), str(stderr or stdout))
    there = (list(arguments), files, environment, str(cwd or Path.cwd()))
    process = _context().Process(target=_run, args=(*there, start_new_session))
    process.start()
    return Script(process, arguments)


def run(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Path | None = None,
    timeout: float | None = None,
) -> CompletedProcess[str]:
    """The same, waited for."""
    with TemporaryDirectory(prefix="script-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        script = start(arguments, out, err, env=env, cwd=cwd, stdin=stdin)
        try:
            code = script.wait(timeout)
        finally:
            script.kill()
        return CompletedProcess(arguments, code, out.read_text("utf-8"), err.read_text("utf-8"))


@cache
def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.imported"])
    return context


def _run(
    arguments: list[str], files: tuple[str, str, str], environment: dict[str, str], cwd: str, start_new_session: bool
) -> None:
    """In the fork: become what `python *arguments` is."""
    if start_new_session:
        os.setsid()
    stdin, *outputs = files
    os.dup2(os.open(stdin, os.O_RDONLY), 0)
    for number, path in enumerate(outputs, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    sys.stdin = os.fdopen(0, encoding="utf-8")
    sys.stdout, sys.stderr = os.fdopen(1, "w", encoding="utf-8"), os.fdopen(2, "w", 1, encoding="utf-8")
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    code = 0
    try:
        _execute(arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException as cause:
        trace = cause.__traceback__
        while trace and trace.tb_frame.f_code.co_filename in (__file__, runpy.__file__, "<frozen runpy>"):
            trace = trace.tb_next
        sys.excepthook(type(cause), cause.with_traceback(trace), trace)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def _execute(arguments: list[str]) -> None:
    first, *rest = arguments
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(main))
    else:
        sys.argv = arguments
        runpy.run_path(first, run_name="__main__")
