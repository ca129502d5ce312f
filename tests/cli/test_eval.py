"""`vtag eval`: one system or two, all outputs, exit codes for CI, and one line for each mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.evaluation.test_systems import FOUND, GOLD, WORDS
from vtag.cli.main import main

DATA = Path(__file__).parents[1] / "data" / "pii_synth_gold.jsonl"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"text": gold["text"], "spans": found} for gold, found in zip(GOLD, FOUND, strict=True)]
    for name, lines in (("gold", GOLD), ("found", rows), ("words", WORDS)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "map.toml").write_text('PER = "person"\nLOC = ""\n')
    return tmp_path


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["eval", *arguments]) == code
    return capsys.readouterr().out


SYSTEM = ("--predictions", "found.jsonl")


def test_predictions_beside_gold_on_a_terminal_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert "micro F1 0.6667" in evaluated(capsys, *SYSTEM, "gold.jsonl")
    report = json.loads(evaluated(capsys, *SYSTEM, "--gold", "gold.jsonl", "--json", "--seed", "3", "--recall", "0.5"))
    assert (report["overall"]["right"], report["interval"]["seed"]) == (2, 3)
    assert report["wanted"]["threshold"] == 0.8
    assert report["data"]["files"] == ["gold.jsonl"]


def test_two_predictions_are_compared(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    arguments = (*SYSTEM, "--predictions", "gold.jsonl", "--gold", "gold.jsonl")
    shown = evaluated(capsys, *arguments, "--errors", "errors.jsonl")
    assert "B - A: micro F1 +0.3333" in shown
    assert len((folder / "errors.jsonl").read_text().splitlines()) == 2
    assert json.loads(evaluated(capsys, *arguments, "--json"))["only_b"] == 1


def test_the_model_card_is_yaml_and_the_page_and_the_errors_are_written(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    files = ("--html", "page.html", "--errors", "errors.jsonl")
    shown = evaluated(capsys, *SYSTEM, "gold.jsonl", "--model-card", *files)
    (index,) = yaml.safe_load(shown.strip("-\n"))["model-index"]
    assert [metric["type"] for result in index["results"] for metric in result["metrics"]] == [
        "precision",
        "recall",
        "f1",
    ]
    assert "boundary PER" in (folder / "page.html").read_text()
    assert json.loads((folder / "errors.jsonl").read_text())["kind"] == "boundary"


def test_a_label_map_and_other_fields(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    row = {"body": "Ann", "label": [[0, 3, "PER"]], "guess": [[0, 3, "PER", 0.5]]}
    (folder / "other.jsonl").write_text(json.dumps(row))
    fields = (
        "--text-field",
        "body",
        "--spans-field",
        "label",
        "--predictions-field",
        "guess",
        "--label-map",
        "map.toml",
    )
    report = json.loads(evaluated(capsys, "--predictions", "other.jsonl", "other.jsonl", *fields, "--json"))
    assert list(report["labels"]) == ["person"]
    assert report["overall"]["f1"] == 1


def test_the_exit_code_says_whether_the_figures_are_what_was_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", *SYSTEM, "gold.jsonl", "--min-f1", "0.6", "--min-recall", "LOC=1"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["eval", *SYSTEM, "gold.jsonl", "--min-f1", "0.7", "--min-recall", "PER=.6"]) == 1
    assert capsys.readouterr().err == (
        "vtag: recall of PER is 0.5000, below 0.6\nvtag: micro F1 is 0.6667, below 0.7\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("", 2, "name one model to evaluate"),
        ("demo", 2, "name one model to evaluate"),
        ("a b c --gold gold.jsonl", 2, "name one model to evaluate"),
        ("demo gold.jsonl --dtype float32 --dtype float16 --dtype bfloat16", 2, "name one model to evaluate"),
        ("--predictions found.jsonl none.jsonl", 4, "none.jsonl: no such file"),
        ("--predictions none.jsonl gold.jsonl", 4, "none.jsonl: no such file"),
        ("--predictions found.jsonl gold.jsonl --min-f1 2", 2, "--min-f1: must be a number from 0 to 1"),
        ("--predictions found.jsonl gold.jsonl --min-recall PER", 2, "--min-recall: must be a number from 0 to 1"),
        ("--predictions found.jsonl gold.jsonl --min-recall ORG=.5", 2, "the gold has no label ORG: it has LOC, PER"),
        ("--predictions found.jsonl gold.jsonl --label-map none.toml", 2, "none.toml: cannot be read"),
        ("--predictions found.jsonl gold.jsonl --errors no/where", 2, "name another file after --errors"),
        ("--predictions found.jsonl gold.jsonl --html no/where", 2, "name another file after --html"),
        (
            "--predictions found.jsonl --predictions found.jsonl --gold gold.jsonl --html p",
            2,
            "--html shows one system",
        ),
        ("--predictions found.jsonl words.jsonl", 4, "found.jsonl: record 1 is of no record of the gold"),
        ("--predictions found.jsonl gold.jsonl --errors gold.jsonl", 2, "gold.jsonl: is both input and output"),
        ("--predictions found.jsonl gold.jsonl --html ./found.jsonl", 2, "found.jsonl: is both input and output"),
        ("demo gold.jsonl --threshold 2", 2, "threshold"),
        ("demo gold.jsonl --first-subword", 2, "need gold with tokens and tags"),
        ("demo gold.jsonl", 2, "no label in common"),
        ("none/model gold.jsonl", 3, "none/model"),
    ],
)
def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], arguments: str, code: int, says: str) -> None:
    assert main(["eval", *arguments.split()]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.count("\n") == 1
    assert "Ann" not in err


def test_a_lone_surrogate_in_a_label_is_written_as_its_escape(folder: Path) -> None:
    (folder / "odd.jsonl").write_text('{"text": "Ann", "spans": [[0, 3, "P\\ud800"]]}\n')
    (folder / "none.jsonl").write_text('{"text": "Ann", "spans": []}\n')
    command = [sys.executable, "-m", "vtag", "eval", "--predictions", "none.jsonl", "odd.jsonl"]
    files = ["--errors", "errors.jsonl", "--html", "page.html"]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=True)
    assert "P\\ud800" in done.stdout
    assert "P\\ud800" in (folder / "page.html").read_text("utf-8")
    assert json.loads((folder / "errors.jsonl").read_text("utf-8"))["gold"]["label"] == "P\ud800"


def test_two_thresholds_of_one_model_are_compared(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    lines = DATA.read_text().splitlines()[:40]
    (folder / "pii.jsonl").write_text("\n".join(lines) + "\n")
    shown = evaluated(
        capsys, "demo", "pii.jsonl", "--threshold", "0", "--threshold", "0.9", "--dtype", "float32", "--json"
    )
    found = json.loads(shown)
    assert [found[side]["system"]["options"]["threshold"] for side in "ab"] == [0, 0.9]
    assert found["b"]["overall"]["found"] < found["a"]["overall"]["found"]
    assert found["b"]["characters"]["leaked"] > found["a"]["characters"]["leaked"]
