"""A Ray cluster of several nodes on this machine: real raylets, each a process group that can be killed as one."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

STORE = 80 << 20


def share_environment() -> None:
    """What a cluster's nodes and drivers must agree on. Ray reads the mode once, when it is imported."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}


class Nodes:
    """Starts with its head; `add` starts one more.

    Everything that Ray writes is in `folder`, its home folder too.
    """

    def __init__(self, folder: Path, cpus: int = 1) -> None:
        self._folder = folder
        self._groups: dict[str, subprocess.Popen[bytes]] = {}
        self._nodes: list[str] = []
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.2", 0))
            self._port = free.getsockname()[1]
        self.address = f"127.0.0.2:{self._port}"
        # In the environment of a node's processes. Another cluster of this machine may have a node of the same address.
        self._mark = f"VTAG_TEST_NODE_{self._port}"
        self.head = self._start(
            cpus, "--head", f"--port={self._port}", "--include-dashboard=false", f"--temp-dir={folder / 'ray'}"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends all nodes, and looks whether anything of them is left."""
        for node in reversed(list(self._groups)):
            self.kill(node)
        end = time.monotonic() + 60  # a worker that starts notices it late
        while any(processes(f"{self._mark}={node}") for node in self._nodes):
            assert time.monotonic() < end
            time.sleep(0.1)
        assert {path.name for path in self.home.iterdir()} <= {".cache"}  # vtag's own: the demo model
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.2", self._port)) != 0

    def add(self, cpus: int = 1, environment: Mapping[str, str] | None = None) -> str:
        """One more node; its address."""
        return self._start(cpus, f"--address={self.address}", environment=environment or {})

    def workers(self, node: str) -> list[int]:
        """Processes of vtag's actors on a node."""
        return [
            process for process, title in processes(f"{self._mark}={node}").items() if title.startswith("ray::Worker")
        ]

    def kill(self, node: str) -> None:
        """All of a node's processes at once, as when its power goes."""
        group = self._groups.pop(node)
        os.killpg(group.pid, signal.SIGKILL)
        group.wait()

    def _start(self, cpus: int, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        node = f"127.0.0.{len(self._nodes) + 2}"
        self._nodes.append(node)
        options = [f"--node-ip-address={node}", f"--num-cpus={cpus}", f"--object-store-memory={STORE}"]
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats"]
        log = self._folder / f"{node}.log"
        with open(log, "wb") as out:
            self._groups[node] = subprocess.Popen(
                [*command, *options, *arguments],
                env=os.environ
                | {"HOME": str(self.home), "TMPDIR": str(self._folder), self._mark: node}
                | dict(environment or {}),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        end = time.monotonic() + 60
        while b"Ray runtime started" not in log.read_bytes():
            assert self._groups[node].poll() is None, log.read_text("utf-8")
            assert time.monotonic() < end, log.read_text("utf-8")
            time.sleep(0.1)
        return node


def processes(mark: str) -> dict[int, str]:
    """Number -> title of the processes that have this in their environment."""
    found: dict[int, str] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it is over
            if f"\0{mark}\0".encode() in b"\0" + (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_text("utf-8")
    return found
