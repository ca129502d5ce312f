"""README.md is true: its lines run and print what it says, its table and its commands are those of the code."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.serve.servers import Server

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_its_python_lines_print_what_it_says() -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    printed = "".join(re.findall(r"```\n(.*?)```", re.sub(r"```\w+\n.*?```", "", README, flags=re.DOTALL), re.DOTALL))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed


def test_its_table_of_architectures_is_the_codes() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "architectures.py"))
    assert script["SECTION"].findall(README) == [script["table"]()]


@pytest.mark.parametrize("target", re.findall(r"^    make (\w+)", README, re.MULTILINE))
def test_its_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("target", re.findall(r"\]\(([^):]+)\)", README))
def test_its_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).is_file()


def test_its_commands_are_the_command_lines() -> None:
    from vtag.cli.main import COMMANDS

    assert set(re.findall(r"^    vtag (\w+)", README, re.MULTILINE)) == set(COMMANDS)


def test_its_run_tags_the_corpus_that_comes_with_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vtag.cli.main import main

    (line,) = re.findall(r"^    vtag (run demo .*)$", README, re.MULTILINE)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)) == 0
    rows = [json.loads(row) for row in (tmp_path / "tagged.jsonl").read_bytes().splitlines()]
    gold = [json.loads(row) for row in (ROOT / "tests/data/pii_synth_gold.jsonl").read_bytes().splitlines()]
    assert [{**row, "found": None} for row in rows] == [{**row, "found": None} for row in gold]
    assert set(rows[0]["found"][0]) == set(re.findall(r'`\{("start".*)\}`', README)[0].replace('"', "").split(", "))


def test_its_picture_shows_the_demo_models_example_texts() -> None:
    from vtag.model.demo import EXAMPLES

    script = runpy.run_path(str(ROOT / "scripts" / "picture.py"))
    words = re.sub(r"<[^>]*>", " ", script["PICTURE"].read_text("utf-8")).split()
    assert set("".join(EXAMPLES[4]).split()) <= set(words)


def test_its_other_picture_shows_a_run_as_it_speaks_now() -> None:
    from vtag.cli.bar import summary
    from vtag.files.journal import State

    script = runpy.run_path(str(ROOT / "scripts" / "picture.py"))
    shown = re.sub(r"<[^>]*>", "", script["RUN_PICTURE"].read_text("utf-8"))
    assert shown.count(f"$ {script['RUN_COMMAND']}") == 2
    says = summary(State(records=1000, seconds=10.0, labels={"X": 1})).split("X")[0]
    skeleton, skeletons = (re.sub(r"\d[\d,]*", "N", text) for text in (says, shown))
    assert skeleton in skeletons


def test_the_pictures_script_wraps_at_spaces_and_keeps_every_character() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "picture.py"))
    row = script["cells"]("one two \x1b[30;48;5;120mthree four\x1b[0m five")
    lines = script["wrap"](row, 18)
    assert ["".join(cell.character for cell in line) for line in lines] == ["one two three four", "five"]
    assert {cell.background for cell in row} == {None, 120}


def test_its_server_answers_curl_and_the_inference_client(server: Server) -> None:
    (port,) = re.findall(r"^    vtag serve demo --port (\d+)$", README, re.MULTILINE)
    (curl,) = re.findall(r"```sh\n(curl .*?)```", README, re.DOTALL)
    (client,) = re.findall(r"```py\n(.*?)```", README, re.DOTALL)

    def here(code: str) -> str:
        assert f"http://127.0.0.1:{port}" in code
        return code.replace(f"http://127.0.0.1:{port}", server.url)

    # As curl would, which not every machine has.
    _, url, _, header, _, body = shlex.split(here(curl).replace("\\\n", ""))
    answer = httpx.post(url, content=body, headers=dict([header.split(": ")]))
    (result,) = answer.json()["results"]
    assert [(span["label"], span["text"]) for span in result["spans"]] == [("GIVEN_NAME", "Ann")]
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    code = [sys.executable, "-c", here(client)]
    done = subprocess.run(code, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "8 15 GIVEN_NAME marisol\n16 23 SURNAME okonkwo\n29 36 CITY dunmere\n"
