"""`vtag run --ray` on two nodes of this machine: the bytes of a local run, whatever dies meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integrations.nodes import Nodes
from vtag.cli.main import main
from vtag.files import chunks

GOLD = Path(__file__).parents[1] / "data" / "pii_synth_gold.jsonl"
TEXTS = [json.loads(line)["text"] for line in GOLD.read_text("utf-8").splitlines()]
RECORDS, CHUNK = 500, 50


def corpus(path: Path, count: int) -> Path:
    """Texts with a number after each, and every fiftieth record broken."""
    lines = [json.dumps({"id": i, "text": f"{TEXTS[i % len(TEXTS)]} {i}"}) for i in range(count)]
    lines[::50] = ['{"text": 1}'] * len(lines[::50])
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_two_nodes_give_the_bytes_of_a_local_run(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chunks, "RECORDS", CHUNK)
    command = ["run", "demo", str(corpus(tmp_path / "in.jsonl", RECORDS)), "--dtype", "float32", "-o"]
    assert main([*command, str(tmp_path / "whole.jsonl")]) == 6
    assert main([*command, str(tmp_path / "out.jsonl"), "--ray", "--ray-address", nodes.address]) == 6
    for end in ("", ".errors.jsonl"):
        assert (tmp_path / f"out.jsonl{end}").read_bytes() == (tmp_path / f"whole.jsonl{end}").read_bytes()
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 2)
