"""`vtag run` on the demo model: what it says, its exit codes, pipes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from vtag.cli.main import main
from vtag.files.formats import FORMATS

ROWS = [{"id": 1, "text": "I am Ann Smith."}, {"id": 2}, {"id": 3, "text": "I am Bob."}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_text(LINES, "utf-8")
    return tmp_path


def test_it_says_what_the_run_came_to_and_later_that_it_is_finished(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "demo", "in.jsonl", "-o", "out.csv", "--dtype", "float32", "--ignore-labels", "O,SURNAME"]
    assert main(command) == 6
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("vtag: 3 records in ")
    assert err.endswith("1 failed; 2 spans: GIVEN_NAME 2\n")
    assert (folder / "out.csv").read_text("utf-8").splitlines()[0] == "id,text,spans"
    assert main(command) == 6
    assert capsys.readouterr().err.splitlines()[0] == "vtag: already finished, nothing to do (--restart starts over)"
    assert main([*command, "--threshold", "0.5"]) == 2
    assert "another threshold" in capsys.readouterr().err


def test_through_pipes_there_is_no_journal_and_errors_go_to_stderr(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES.encode())))
    assert main(["run", "demo", "-", "-o", "-"]) == 6
    sys.stdout.flush()
    out, err = capfdbinary.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [[span["text"] for span in row["spans"]] for row in rows] == [["Ann", "Smith"], ["Bob"]]
    said = [line for line in err.decode().splitlines() if line.startswith(("vtag", "{"))]
    assert said[0] == "vtag: no journal with stdin or stdout: a stopped run cannot continue"
    assert json.loads(said[1]) == {"file": "-", "record": 2, "reason": "the text's field is missing"}
    assert said[2].startswith("vtag: 3 records in ")
    assert list(folder.iterdir()) == [folder / "in.jsonl"]


def test_quiet_is_quiet_and_strict_stops_at_the_first_bad_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "demo", "in.jsonl", "-o", "out.jsonl", "--quiet", "--strict"]) == 4
    line = "vtag: in.jsonl: record 2: the text's field is missing: fix it, or run without --strict to skip it\n"
    assert capsys.readouterr().err == line
    assert main(["run", "demo", "in.jsonl", "-o", "out.jsonl", "--quiet"]) == 6
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["in.jsonl", "-o", "out.xml"], 2, "use one of .jsonl, .csv, .tsv, .parquet"),
        (["none.jsonl", "-o", "out.jsonl"], 4, "none.jsonl: no such file"),
        (["in.jsonl", "-o", "in.jsonl"], 2, "name another output"),
        (["in.jsonl", "-o", "out.jsonl", "--text-field", "body"], 4, "one of its fields: id, text"),
        (["in.jsonl", "-o", "out.jsonl", "--delimiter", ";"], 2, "for CSV inputs"),
        (["in.jsonl", "-o", "out.jsonl", "--scheme", "no"], 2, "no such tag scheme"),
        (["in.jsonl", "-o", "out.jsonl", "--words-rule", "no"], 2, "use one of"),
        (["in.jsonl", "-o", "out.jsonl", "--threshold", "2"], 2, "threshold must be"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "demo", *arguments]) == code
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vtag: ")]
    assert len(err) == 1
    assert says in err[0]


def test_formats_lists_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(FORMATS)
    for line, row in zip(lines, FORMATS.values(), strict=True):
        assert all(extension in line for extension in row.extensions)
        assert (".zst" in line) == row.packs


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--workers", "2"], "--workers needs --ray"),
        (["--gpus-per-worker", "0"], "--gpus-per-worker needs --ray"),
        (["--ray", "--workers", "4:2"], "--workers must be MIN:MAX"),
        (["--ray", "--workers", "0"], "--workers must be MIN:MAX"),
        (["--ray", "--workers", "many"], "--workers must be MIN:MAX"),
        (["--ray", "--cpus-per-worker", "0"], "--cpus-per-worker must be at least 1"),
        (["--ray", "-o", "-"], "--ray writes to files"),
    ],
)
def test_options_of_a_cluster_are_refused_before_anything_starts(
    options: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "demo", "in.jsonl", "-o", "out.jsonl", *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"vtag: {says}")
    assert err.count("\n") == 1
    assert list(folder.iterdir()) == [folder / "in.jsonl"]


def test_a_cluster_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "demo", "in.jsonl", "-o", "out.jsonl", "--ray", "--ray-address", "127.0.0.1:9"]
    assert main(command) == 5
    line = "vtag: 127.0.0.1:9: no Ray cluster accepts us (Connection refused): check the address, and its token"
    assert capsys.readouterr().err == f"{line} (RAY_AUTH_MODE=token)\n"
