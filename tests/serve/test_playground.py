"""The page, in a real Chromium: it shows what llm.tag says while one types, to eyes, keyboards and screen readers."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.serve.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from vtag import LLM

CHROMIUM = shutil.which("chromium")
# As root, and in containers, its sandbox cannot be had; and it is to look for nothing outside.
OPTIONS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
TEXT = "Hi, I'm Marisol Okonkwo from Dunmere."

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The page of the server, where nothing may fail unseen."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda message: failures.append(message.text) if message.type == "error" else None)
    page.goto(f"{server.url}/playground")
    page.wait_for_selector("#house:not([hidden])")
    yield page
    context.close()
    assert failures == []


def shown(page: Page) -> list[list[str]]:
    """[label, text] of each span on the page."""
    script = """marks => marks.map(mark => {
        const label = mark.querySelector("b").textContent;
        return [label, mark.textContent.slice(0, -label.length)];
    })"""
    found: list[list[str]] = page.eval_on_selector_all("#spans mark", script)
    return found


def answered(page: Page, text: str) -> None:
    """Wait until the spans are those of this text."""
    page.wait_for_function(
        "text => [...document.querySelectorAll('#spans > div')].length && answer.text === text", arg=text
    )


def test_spans_appear_while_one_types(page: Page, llm: LLM) -> None:
    page.locator("#text").press_sequentially(TEXT)
    answered(page, TEXT)
    assert shown(page) == [[span.label, span.text] for span in llm.tag(TEXT)[0]] != []
    assert f"3 spans · {len(llm.encode(TEXT)[0].tokens)} tokens, 1 window" in page.locator("#status").inner_text()


def test_the_copied_curl_runs(page: Page, llm: LLM) -> None:
    text = "It's 'Ann'! $HOME `id` \\ \"x\"\nJSON\nCall Marisol Okonkwo 👩‍👩‍👧 in Dunmere."
    page.fill("#text", text)
    answered(page, text)
    page.click("text=curl")
    command = page.evaluate("navigator.clipboard.readText()")
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    found = json.loads(done.stdout)["results"][0]["spans"]
    assert [(span["start"], span["text"]) for span in found] == [(span.start, span.text) for span in llm.tag(text)[0]]
