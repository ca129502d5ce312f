"""A broken model folder ends in one line that says how to mend it; nothing in it runs; `vtag doctor` says the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import scripts
from tests.hostile.models.folders import CASES, FOLDERS, RAN, good
from vtag import LLM
from vtag.cli.main import main
from vtag.errors import TABLE, ModelError

SECRET = "Marisol Okonkwo"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    return {route: good(route, folder / route) for route in ("packed", "native")}


def broken(name: str, good: Path, folder: Path) -> Path:
    shutil.copytree(good, folder)
    FOLDERS[name].spoil(folder)
    return folder


@pytest.mark.parametrize(("name", "route"), CASES, ids=lambda given: given.replace(" ", "-"))
def test_a_broken_folder_is_one_line_with_the_mend(
    name: str, route: str, whole: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = FOLDERS[name]
    folder = broken(name, whole[route], tmp_path / "model")

    with pytest.raises(ModelError) as raised:
        LLM(folder, **case.options)
    line = str(raised.value)
    assert raised.value.kind == case.kind
    assert line.startswith(str(folder))
    assert line.isprintable()

    capsys.readouterr()
    options = [f"--engine={option}={value}" for option, value in case.options.items()]
    assert main(["tag", str(folder), SECRET, *options]) == TABLE[case.kind].exit_code == 3
    assert capsys.readouterr() == ("", f"vtag: {line}\n")

    assert main(["doctor", str(folder)]) == int(case.seen)
    said = capsys.readouterr().out
    assert ("✗ model" in said) == case.seen
    if case.seen and not case.options:
        assert f"→ {line.removeprefix(f'{folder}: ')}\n" in said

    assert not (tmp_path / "model" / RAN).exists()


def test_processes_of_their_own_end_in_that_line_alone(whole: dict[str, Path], tmp_path: Path) -> None:
    running: dict[Path, scripts.Script] = {}
    for name in ("weights a pointer", "a pickle that runs code", "labels from 1"):
        folder = broken(name, whole["native"], tmp_path / name)
        options = [f"--engine={option}={value}" for option, value in FOLDERS[name].options.items()]
        said = folder.with_suffix(".out"), folder.with_suffix(".err")
        running[folder] = scripts.start(["-m", "vtag", "tag", str(folder), SECRET, *options], *said)
    for folder, script in running.items():
        assert script.wait(60) == 3
        out, line = (folder.with_suffix(end).read_text("utf-8") for end in (".out", ".err"))
        assert out == ""
        assert line.startswith(f"vtag: {folder}: ")
        assert line.count("\n") == 1
        assert SECRET not in line
        assert not (folder / RAN).exists()
