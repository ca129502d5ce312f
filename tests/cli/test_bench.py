"""Mistakes in `vtag bench` are one line, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_errors import fails


def test_texts_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = fails(capsys, "bench", "demo", "--texts", str(tmp_path / "none.jsonl"))
    assert code == 4
    assert "none.jsonl" in line


def test_a_file_without_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_text('{"body": "Call Ann."}\n' * 100, "utf-8")
    code, line = fails(capsys, "bench", "demo", "--texts", str(tmp_path / "in.jsonl"))
    assert code == 4
    assert "no field 'text'" in line


def test_a_shape_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = fails(capsys, "bench", "demo", "--shape", "huge")
    assert code == 2
    assert "minilm" in line


@pytest.mark.parametrize("rounds", ["0", "-1", "many"])
def test_rounds_that_are_none(rounds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fails(capsys, "bench", "demo", "--rounds", rounds)[0] == 2


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert fails(capsys, "bench", "./none")[0] == 3
