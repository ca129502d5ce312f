"""`vtag run --ray`: the bytes of a local run, whatever dies meanwhile, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.integrations.ray import chaos
from tests.integrations.ray.nodes import Nodes, processes
from vtag import tag_files
from vtag.errors import SettingError
from vtag.files import chunks
from vtag.integrations.ray import Cluster

MARK = "VTAG_TEST_RAY"


def test_driver_actor_and_node_are_killed_and_the_bytes_are_those_of_a_local_run(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "RECORDS", chunks.RECORDS)  # and back again
    chaos.chaos(nodes, tmp_path, 500)


def test_a_run_of_this_machine_alone_does_not_go_on_in_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "I am Ann."}\n', "utf-8")
    tag_files("demo", tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(SettingError, match="was started with another machine and another processor"):
        tag_files(Cluster("demo"), tmp_path / "in.jsonl", tmp_path / "out.jsonl")


@pytest.mark.long
def test_a_ray_of_its_own_is_ended_by_sigterm_and_at_the_end_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Not below the tests' own folder: names of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as place:
        folder, home = Path(place), Path(place, "home")
        home.mkdir()
        source, output = chaos.corpus(folder / "in.jsonl", 1000), folder / "out.parquet"
        own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        own |= {"HOME": str(home), "TMPDIR": str(folder), MARK: str(os.getpid())}
        code = f"{chaos.DRIVER}; sys.exit(main(sys.argv[2:]))"
        command = [sys.executable, "-c", code, "50", "run", "demo", str(source), "-o", str(output)]
        command += ["--ray", "--workers", "1"]

        stopped = subprocess.Popen(command, env=own, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        chaos.wait_until(lambda: chaos.committed(output) >= 2)
        stopped.send_signal(signal.SIGTERM)
        out, err = stopped.communicate(timeout=60)
        *progress, last = err.splitlines()  # a line every 30 seconds: on a slow machine there may be one
        assert (stopped.returncode, out) == (130, "")
        assert last.startswith("vtag: interrupted after ")
        assert all(re.match(r"vtag: \d+ records, .* left$", line) for line in progress), err

        done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
        said = [line for line in done.stderr.splitlines() if not line.endswith(" left")]
        assert (done.returncode, done.stdout, len(said)) == (6, "", 2), done.stderr
        monkeypatch.setattr(chunks, "RECORDS", 50)
        tag_files("demo", source, folder / "whole.parquet")
        assert output.read_bytes() == (folder / "whole.parquet").read_bytes()
        assert processes(f"{MARK}={os.getpid()}") == {}
        assert [path.name for path in home.iterdir()] == [".cache"]  # vtag's own: the demo model
        assert not list(folder.glob("vtag-ray-*"))
