"""The generated sections of the reference are what the code says, and every kind of error has its place."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import vtag
from tests.docs.pages import PAGES, ROOT
from vtag.errors import INTERRUPTED, TABLE

FOLDER = ROOT / "docs" / "reference"
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "reference.py"))


GENERATED = [page for page in PAGES if SCRIPT["SECTION"].search(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", GENERATED, ids=lambda page: page.name)
def test_generated_sections_are_what_the_code_says(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text == SCRIPT["written"](text)


def test_every_section_is_on_a_page() -> None:
    text = "".join(page.read_text("utf-8") for page in GENERATED)
    assert {section for section, _ in SCRIPT["SECTION"].findall(text)} == set(SCRIPT["SECTIONS"])


def test_every_error_has_an_anchor_and_every_exit_code_a_line() -> None:
    page = (FOLDER / "errors.md").read_text("utf-8")
    assert all(f"{{ #{kind} }}" in page for kind in TABLE)
    codes = {row.exit_code for row in TABLE.values()} | {0, 1, 6, INTERRUPTED}
    assert all(f"\n| {code} | " in page for code in codes)


def test_every_public_name_is_in_the_reference() -> None:
    page = (FOLDER / "python.md").read_text("utf-8")
    assert all(f"::: vtag.{name}\n" in page for name in vtag.__all__ if name != "__version__")
