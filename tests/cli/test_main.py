"""The command line as a whole: quick help, and what `vtag models` and `vtag doctor` say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata

import pytest

import vtag
from vtag.backend import kernels
from vtag.cli.main import COMMANDS, main
from vtag.model.architectures import ARCHITECTURES
from vtag.system import cpu


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], *([name, "--help"] for name in COMMANDS)], ids=str)
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    code = f"import sys; from vtag.cli.main import main\ntry: main({arguments})\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "vtag" in done.stdout
    assert not {"torch", "vllm", "transformers", "numpy"} & set(done.stdout.splitlines()[-1].split())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"vtag {vtag.__version__}\n"


def test_models_lists_every_architecture_and_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(ARCHITECTURES)
    assert main(["models", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line, row in zip(lines, rows, strict=True):
        known = ARCHITECTURES[row["model_type"]]
        assert (row["route"], row["needs"]) == (known.route, known.needs)
        assert str(known.needs or known.route) in line


def test_doctor_finds_this_machine_well_and_says_how_the_demo_model_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "demo"]) == 0
    out = capsys.readouterr().out
    assert "✗" not in out
    assert metadata.version("torch") in out
    assert f"{len(os.sched_getaffinity(0))} of " in out
    assert "512 tokens" in out
    assert "GIVEN_NAME" in out
    assert cpu.describe() in out
    assert kernels.describe_int8() in out


def test_doctor_names_a_kernel_that_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "measure", lambda kernel, dtype: kernels.Deviation(0.5, 0.9))
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "✗ kernels" in out
    assert "→ linear layers in " in out


def test_doctor_names_what_is_wrong_with_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "./none"]) == 1
    wrong, fix = capsys.readouterr().out.splitlines()[-2:]
    assert wrong.split() == ["✗", "model", "./none"]
    assert "→" in fix


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("VLLM_PLUGINS", "another", "add vtag to VLLM_PLUGINS"),
        pytest.param("VLLM_TARGET_DEVICE", "cpu", "unset VLLM_TARGET_DEVICE", marks=pytest.mark.long),
    ],
)
def test_doctor_sees_that_the_hook_is_off_and_why(name: str, value: str, fix: str) -> None:
    """In a process of its own: vLLM reads both when it is imported."""
    done = subprocess.run(
        [sys.executable, "-m", "vtag", "doctor"],
        capture_output=True,
        text=True,
        env=os.environ | {name: value},
        check=False,
    )
    assert done.returncode == 1
    assert f"→ {fix}" in done.stdout


def test_doctor_asks_for_vllm_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vtag.cli.doctor._version", lambda name: None)
    assert main(["doctor"]) == 1
    assert 'pip install "vllm-vtag[cpu]"' in capsys.readouterr().out
