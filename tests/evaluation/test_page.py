"""The page in a real browser: accessible, without a script, of limited size, and with texts only on request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.evaluation.test_systems import FOUND, GOLD
from tests.serve.page.test_playground import assert_accessible
from vtag import evaluate
from vtag.evaluation.page import MOST_CHARACTERS, MOST_RECORDS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NASTY = "<script>hacked = 1</script><img src=x onerror=hacked=1> Ann & Bob"


def many(count: int) -> tuple[list[dict[str, Any]], list[list[tuple[Any, ...]]]]:
    """Records of six labels, every second one with errors."""
    gold: list[dict[str, Any]] = []
    found: list[list[tuple[Any, ...]]] = []
    for number in range(count):
        label = f"LABEL_{number % 6}"
        gold.append({"text": f"{number:06} Ann Lee of {NASTY}", "spans": [[7, 14, label], [0, 6, "NUMBER"]]})
        found.append([(7, 14 if number % 2 else 10, label, 0.9), (0, 6, "NUMBER" if number % 4 else label, 0.3)])
    return gold, found


@pytest.mark.parametrize(
    ("scheme", "show_text", "width"), [("light", True, 1100), ("dark", True, 360), ("dark", False, 1100)]
)
def test_it_is_accessible_and_runs_nothing(
    browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"], show_text: bool, width: int
) -> None:
    gold, found = many(10)
    evaluate(None, gold, predictions=found, html=tmp_path / "page.html", show_text=show_text)
    page = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}).new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert_accessible(page)
    assert page.evaluate("() => window.hacked") is None
    assert page.locator("script, img").count() == 0
    assert page.locator("article").count() == 10
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.context.close()


def test_it_holds_a_thousand_records_and_no_more(browser: Browser, tmp_path: Path) -> None:
    gold, found = many(MOST_RECORDS + 50)
    evaluate(None, gold, predictions=found, html=tmp_path / "page.html", show_text=True)
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert page.locator("article").count() == MOST_RECORDS
    page.close()


def test_texts_are_on_it_only_if_that_is_asked_for(tmp_path: Path) -> None:
    long = "Bob " + "x" * 2 * MOST_CHARACTERS
    gold = [*GOLD, {"text": long, "spans": [[0, 3, "PER"]]}]
    for show_text in (False, True):
        evaluate(None, gold, predictions=[*FOUND, []], html=tmp_path / "page.html", show_text=show_text)
        page = (tmp_path / "page.html").read_text("utf-8")
        assert ("saw" in page) is show_text
        assert "boundary PER" in page
        assert "x" * (MOST_CHARACTERS + 1) not in page
    assert page.index("record 1: boundary PER") < page.index("record 4: missed PER") < page.index("record 2<")
