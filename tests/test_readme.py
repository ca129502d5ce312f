"""README.md is true and short. Its code is run by tests/docs/test_code.py."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest
from markdown.extensions import toc

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_a_person_with_two_minutes_can_read_it() -> None:
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))])
def test_make_targets_of_pages_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page.read_text("utf-8"), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_its_links_lead_to_files_and_headings(page: str) -> None:
    for target, anchor in re.findall(r"\]\(([^):#]+)(?:#([^)]*))?\)", (ROOT / page).read_text("utf-8")):
        assert (ROOT / target).is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", (ROOT / target).read_text("utf-8"), re.MULTILINE)
            assert anchor in {toc.slugify(heading, "-") for heading in headings}, anchor


def test_its_table_names_commands_that_exist_and_leaves_out_lists_alone() -> None:
    from vtag.cli.main import COMMANDS

    named = set(re.findall(r"`vtag (\w+)", README)) - {"and"}
    assert set(COMMANDS) - named == {"formats", "labels", "models"}
    assert named <= set(COMMANDS)


def test_the_number_of_architectures_is_the_codes() -> None:
    from vtag.model.architectures import ARCHITECTURES

    routes = [row.route for row in ARCHITECTURES.values()]
    # `ultrabert` came with transformers 5.20.
    assert f"{sum(route is not None for route in routes) - 1} architectures run" in README
    assert f"{routes.count('native')} of them on vLLM's own decoders" in README


def test_the_number_that_matters_is_the_one_of_the_page_of_performance_and_the_measured_one() -> None:
    ours, theirs = re.findall(r"\*\*The number that matters\*\*: (\d+) .* has (\d+)\n", README)[0]
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    assert re.search(rf"^\| Hugging Face's pipeline as shipped.*\| {theirs} \|", page, re.MULTILINE)
    assert re.search(rf"^\| \*\*vtag\*\*, bfloat16 .*\| \*\*{ours}\*\* \|", page, re.MULTILINE)
    home = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert f"**{ours} texts a second, where Hugging Face's pipeline as shipped has {theirs}**" in home
    log = (ROOT / "benchmarks" / "LOG.md").read_text("utf-8")
    assert f"| bfloat16 | **vtag** | {ours} (" in log
    assert f"| float32 | Hugging Face pipeline, batch 1 | {theirs} (" in log


def test_its_picture_shows_the_demo_models_example_texts() -> None:
    from vtag.model.demo import EXAMPLES

    script = runpy.run_path(str(ROOT / "scripts" / "picture.py"))
    words = re.sub(r"<[^>]*>", " ", script["PICTURE"].read_text("utf-8")).split()
    assert set("".join(EXAMPLES[4]).split()) <= set(words)


def test_the_picture_of_a_run_shows_it_as_it_speaks_now() -> None:
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


def test_a_run_tags_the_corpus_that_comes_with_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vtag.cli.main import main

    gold_file = ROOT / "tests/data/pii_synth_gold.jsonl"
    monkeypatch.chdir(tmp_path)
    assert main(["run", "demo", str(gold_file), "-o", "tagged.jsonl", "--spans-field", "found"]) == 0
    rows = [json.loads(row) for row in (tmp_path / "tagged.jsonl").read_bytes().splitlines()]
    gold = [json.loads(row) for row in gold_file.read_bytes().splitlines()]
    assert [{**row, "found": None} for row in rows] == [{**row, "found": None} for row in gold]
    assert list(rows[0]["found"][0]) == ["start", "end", "label", "score", "text"]
