"""A Ray cluster of several nodes on this machine: real raylets, each a process group that can be killed as one."""

from __future__ import annotations

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


class Nodes:
    """Starts with its head; `add` starts one more.

    Everything that Ray writes is in `folder`, its home folder too. environment: what a driver needs, token included.
    """

    def __init__(self, folder: Path, cpus: int = 1) -> None:
        self._folder = folder
        self._groups: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            "HOME": str(folder / "home"),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        (folder / "home").mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.2", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.2:{port}"
        self.head = self._start(
            "127.0.0.2", cpus, "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder / 'ray'}"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for node in reversed(list(self._groups)):
            self.kill(node)

    def add(self, cpus: int = 1, environment: Mapping[str, str] | None = None) -> str:
        """One more node; its address."""
        return self._start(
            f"127.0.0.{len(self._groups) + 2}", cpus, f"--address={self.address}", environment=environment or {}
        )

    def kill(self, node: str) -> None:
        """All of a node's processes at once, as when its power goes."""
        group = self._groups.pop(node)
        os.killpg(group.pid, signal.SIGKILL)
        group.wait()

    def _start(self, node: str, cpus: int, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        options = [f"--node-ip-address={node}", f"--num-cpus={cpus}", f"--object-store-memory={STORE}"]
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats"]
        log = self._folder / f"{node}.log"
        with open(log, "wb") as out:
            self._groups[node] = subprocess.Popen(
                [*command, *options, *arguments],
                env=os.environ | self.environment | dict(environment or {}),
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
