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
from tests.redact.given import KEY
from vtag import LLM, redact_files, tag_files
from vtag.errors import SettingError
from vtag.files import chunks
from vtag.integrations.ray import Cluster
from vtag.redact.actions import ACTIONS

MARK = "VTAG_TEST_RAY"


def test_driver_actor_and_node_are_killed_and_the_bytes_are_those_of_a_local_run(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "RECORDS", chunks.RECORDS)  # and back again
    chaos.chaos(nodes, tmp_path, 500)


@pytest.mark.long
def test_redaction_has_the_tokens_hashes_and_mapping_of_a_local_run_and_nodes_have_no_key(
    nodes: Nodes, llm: LLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nodes were started without it."""
    monkeypatch.setattr(chunks, "RECORDS", 40)
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)
    source = chaos.corpus(tmp_path / "in.jsonl", 200)
    policy = {"default": "token", "labels": {"GIVEN_NAME": "number", "SURNAME": "fake", "CITY": "hash"}}
    for name, model in (("local", llm), ("cluster", Cluster("demo", address=nodes.address, dtype="float32"))):
        redact_files(model, source, tmp_path / f"{name}.jsonl", policy=policy, mapping=tmp_path / f"{name}.mapping")
    for end in (".jsonl", ".jsonl.errors.jsonl", ".mapping"):
        assert (tmp_path / f"cluster{end}").read_bytes() == (tmp_path / f"local{end}").read_bytes()
    made = (tmp_path / "cluster.jsonl").read_text("utf-8")
    assert {"token", "number", "fake", "hash"} == {action for action in ACTIONS if f'"action": "{action}"' in made}
    assert not any(processes(f"VTAG_REDACT_KEY={KEY}"))


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
