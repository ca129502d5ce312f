"""How long `vtag serve` takes until it listens, by stage, against `vtag tag` of one text.

    python benchmarks/start.py [MODEL] [--pairs 5]

Each figure is a process of its own; they take turns. Prints medians, and the stages of one start.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time


def stages(model: str) -> None:
    """One start in this process, its stages as they end."""
    began = time.perf_counter()
    last = began

    def lap(stage: str) -> None:
        nonlocal last
        now = time.perf_counter()
        print(f"{stage:45} {now - last:6.2f} s", flush=True)
        last = now

    from vtag.cli.serve import _bound

    sock = _bound("127.0.0.1", 0)
    from vtag.model.plan import make_plan

    lap("vtag imported")
    made = make_plan(model)
    lap("torch imported, the model looked at")
    from vtag.serve import launcher
    from vtag.serve.limits import Limits
    from vtag.serve.plugin import ServeConfig

    lap("vLLM and its app imported")
    start = launcher.online.start

    def started(*args: object) -> object:
        client = start(*args)  # type: ignore[arg-type]
        lap("the engine forked, model loaded")
        return client

    def listening() -> None:
        lap("vLLM's app built, listening")
        print(f"{'all':45} {time.perf_counter() - began:6.2f} s", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

    launcher.online.start = started  # type: ignore[assignment]
    launcher.serve(ServeConfig(made, model, Limits()), sock, [], listening)


def tag(model: str) -> float:
    """Seconds of `vtag tag`, from beginning to end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "vtag", "tag", model, "Call Ann."], check=True, capture_output=True)
    return time.perf_counter() - began


def serve(model: str) -> float:
    """Seconds until `vtag serve` says that it listens."""
    command = [sys.executable, "-m", "vtag", "serve", model, "--port", "0"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert b"is served at" in process.stdout.readline()
        seconds = time.perf_counter() - began
        process.terminate()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", nargs="?", default="demo")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--stages", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stages:
        stages(arguments.model)
        return
    pairs = [(tag(arguments.model), serve(arguments.model)) for _ in range(arguments.pairs)]
    tagged, served = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"vtag tag {tagged:.2f} s, vtag serve {served:.2f} s: {served / tagged:.2f} times", flush=True)
    subprocess.run([sys.executable, __file__, arguments.model, "--stages"], check=True)


if __name__ == "__main__":
    main()
