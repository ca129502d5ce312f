"""`vtag tag` on the demo model: JSON lines, brackets, colours, stdin, blank texts."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from vtag import view
from vtag.cli.main import main
from vtag.model.demo import EXAMPLES


def test_examples_in_brackets_where_nobody_looks_at_colours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "demo", "--examples"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("Hi, I'm [Marisol GIVEN_NAME] [Okonkwo SURNAME] and")
    assert len(out.splitlines()) == len(EXAMPLES)
    assert "CC BY 4.0" in err


def test_json_lines_from_stdin_with_exact_offsets_and_blank_lines_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["😀 I am José García.", "", "  ", "\tcall Ann", "no end of line"]
    (tmp_path / "in").write_text("\n".join(texts), "utf-8")
    with open(tmp_path / "in", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert main(["tag", "demo", "--json", "--dtype", "float32"]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["text"] for row in rows] == texts
    assert [(s["label"], s["text"]) for s in rows[0]["spans"]] == [("GIVEN_NAME", "José"), ("SURNAME", "García")]
    assert rows[1]["spans"] == rows[2]["spans"] == []
    for row in rows:
        for span in row["spans"]:
            assert span["text"] == row["text"][span["start"] : span["end"]]
            assert set(span) == {"start", "end", "label", "score", "text"}
    assert err == ""


def test_options_between_the_texts_and_a_text_that_looks_like_one(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--threshold", "0.9", "--ignore-labels", "O,SURNAME", "--aggregation-strategy", "first"]
    assert main(["tag", "demo", "I am Ann Smith.", *options, "--json", "--engine", "max_num_seqs=8", "--", "--x"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in rows] == ["I am Ann Smith.", "--x"]
    assert [s["label"] for s in rows[0]["spans"]] == ["GIVEN_NAME"]


def test_no_labels_to_ignore_means_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "demo", "I am Ann.", "--ignore-labels", "", "--aggregation-strategy", "First", "--json"]) == 0
    assert [span["label"] for span in json.loads(capsys.readouterr().out)["spans"]] == ["O", "GIVEN_NAME", "O"]


@pytest.mark.parametrize(("environment", "colored"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_on_a_terminal_unless_the_user_wants_none(
    environment: dict[str, str],
    colored: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["tag", "demo", "I am Ann Smith."]) == 0
    assert ("\x1b[" in capsys.readouterr().out) is colored


def test_a_page_has_the_colours_of_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "page.html"
    assert main(["tag", "demo", "I am Ann Smith <b>", "--html", str(path)]) == 0
    assert capsys.readouterr().out == ""
    page = path.read_text("utf-8")
    found = re.findall(r"background:(#\w+)\">(\w+)<b> (\w+)<", page)
    assert [(text, label) for _, text, label in found] == [("Ann", "GIVEN_NAME"), ("Smith", "SURNAME")]
    assert [color for color, *_ in found] == list(view.colors(["GIVEN_NAME", "SURNAME"]).values())
    assert "&lt;b&gt;" in page


def test_no_lines_at_all_start_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(os.devnull, encoding="utf-8") as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert main(["tag", "./none"]) == 0
        assert main(["tag", "./none", "--html", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "page.html").is_file()
