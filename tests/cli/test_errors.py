"""A user's mistake on the command line: exit code not 0, one line on stderr, nothing on stdout, no stack trace."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import vtag
from tests.checkpoints import good
from vtag.cli.main import main
from vtag.errors import MissingPackageError, error


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and the line on stderr."""
    capsys.readouterr()
    try:
        code = main(arguments)
    except SystemExit as left:  # argparse's way
        code = int(left.code or 0)
    out, err = capsys.readouterr()
    assert code != 0
    assert out == ""
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return code, err


@pytest.mark.parametrize("model", ["./none", "a/b/c", "owner/not-there"])
def test_a_model_that_is_not_there(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fails(capsys, "tag", model, "text")[0] == 3


def test_a_wrong_num_labels_names_both_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(good(tmp_path / "model"))
    code, line = fails(capsys, "tag", folder, "text", "--engine", 'model_config={"num_labels": 3}')
    assert code == 3
    assert "has 2 labels, not num_labels=3" in line


def test_an_engine_argument_that_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = fails(capsys, "tag", "demo", "text", "--engine", "max_num_seqs=many")
    assert code == 2
    assert "max_num_seqs" in line


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("tga",),
        ("tag",),
        ("tag", "demo", "text", "--no-such-option"),
        ("tag", "demo", "text", "--threshold", "high"),
        ("tag", "demo", "text", "--threshold", "1.5"),
        ("tag", "demo", "text", "--json", "--html", "page.html"),
        ("tag", "demo", "text", "--aggregation-strategy", "best"),
        ("tag", "demo", "text", "--engine", "max_num_seqs"),
    ],
    ids=" ".join,
)
def test_words_of_the_command_line_that_do_not_fit(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fails(capsys, *arguments)[0] == 2


@pytest.mark.parametrize("page", ["none/page.html", "."])
def test_a_page_that_cannot_be_written(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fails(capsys, "tag", "demo", "text", "--html", page)[0] == 5


def test_no_text_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert fails(capsys, "tag", "demo")[0] == 2


def test_what_nobody_expected_says_its_type_and_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(arguments: object) -> int:
        raise KeyError("secret")

    monkeypatch.setattr("vtag.cli.models.run", broken)
    code, line = fails(capsys, "models")
    assert code == 70
    assert "KeyError" in line
    assert "secret" not in line


@pytest.fixture
def of_another_vllm(monkeypatch: pytest.MonkeyPatch) -> str:
    """Take a name of vLLM's away before vtag imports it; what is said of that."""
    monkeypatch.delattr("vllm.v1.engine.core.EngineCoreProc")
    for module in ("vtag.engine.llm", "vtag.engine.thread", "vtag.compat.vllm_engine"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return "cannot import name 'EngineCoreProc' from 'vllm.v1.engine.core'.*: `vtag doctor` shows what is missing"


def test_a_name_that_vllm_no_longer_has_is_one_line_that_names_doctor(
    of_another_vllm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = fails(capsys, "tag", "demo", "text")
    assert code == 5
    assert re.match(f"vtag: {of_another_vllm}", line)


def test_so_it_is_in_python(of_another_vllm: str) -> None:
    with pytest.raises(MissingPackageError, match=of_another_vllm):
        vtag.LLM  # noqa: B018


def test_debugging_shows_the_trace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VTAG_DEBUG", "1")
    assert main(["tag", "./none", "text"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_ends_with_130_and_no_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("vtag.cli.models.run", interrupted)
    assert main(["models"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_process_of_its_own_prints_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vtag", "tag", "./none", "text"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"vtag: {error('model_not_found', model='./none')}\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "vtag", "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
