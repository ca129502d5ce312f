"""Whether the page stutters on 100 kB of text: its long tasks and longest frames, in Debian's Chromium.

python benchmarks/playground.py [MODEL]

The texts are those of tests/data/pii_synth_gold.jsonl, once a line each and once all in one line. A long task is one of
more than 50 ms (W3C Long Tasks API), a frame the time between two pictures.
"""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
CHARACTERS = 100_000
KEY_MS = 60
OBSERVE = """() => {
    window.tasks = [];
    window.frames_ = [];
    const note = (list) => tasks.push(...list.getEntries().map((task) => Math.round(task.duration)));
    new PerformanceObserver(note).observe({ type: "longtask" });
    let last = performance.now();
    const tick = () => {
        const now = performance.now();
        frames_.push(now - last);
        last = now;
        requestAnimationFrame(tick);
    };
    tick();
}"""
COLLECT = "() => [tasks.splice(0), Math.round(Math.max(...frames_.splice(0)))]"


def main() -> None:
    gold = [json.loads(line)["text"] for line in (ROOT / "tests/data/pii_synth_gold.jsonl").open("rb")]
    texts = {"a line each": "\n".join(gold * 3), "one line": " ".join(gold * 3).replace("\n", " ")}
    served = runpy.run_path(str(ROOT / "scripts" / "screenshots.py"))["served"]
    with served(*sys.argv[1:2]) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        for name, text in texts.items():
            page = context.new_page()
            page.goto(f"{url}/playground")
            page.wait_for_selector("#house:not([hidden])")
            page.evaluate(OBSERVE)
            print(f"{name}:")
            for doing, what in STEPS.items():
                what(page, text[:CHARACTERS])
                page.wait_for_function("() => answer.text === text.value")
                page.wait_for_timeout(500)
                tasks, frame = page.evaluate(COLLECT)
                print(f"  {doing}: longest frame {frame} ms, long tasks {tasks or 'none'} (ms)")
            print(f"  {page.inner_text('#status')}")
        browser.close()


def paste(page: Page, text: str) -> None:
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.focus("#text")
    page.keyboard.press("Control+v")


def type_at(key: str) -> Callable[[Page, str], None]:
    def type_there(page: Page, text: str) -> None:
        page.focus("#text")
        page.keyboard.press(key)
        page.keyboard.type(" Ann Lee lives in Dunmere. ", delay=KEY_MS)

    return type_there


def slide(page: Page, text: str) -> None:
    page.focus("#threshold")
    for key in ["ArrowRight"] * 100 + ["Home"]:
        page.keyboard.press(key, delay=16)


def redact(page: Page, text: str) -> None:
    page.click("#redacted")
    page.wait_for_timeout(300)
    page.click("#redacted")


def point(page: Page, text: str) -> None:
    for step in range(60):
        page.mouse.move(700 + 8 * step, 300 + 6 * step)
        page.wait_for_timeout(10)


STEPS: dict[str, Callable[[Page, str], None]] = {
    "pasted, and its answer": paste,
    "typed at its end, and the answer": type_at("Control+End"),
    "typed at its start, and the answer": type_at("Control+Home"),
    "threshold from 0 to 1 and back": slide,
    "redacted and back": redact,
    "pointer over spans": point,
}


if __name__ == "__main__":
    main()
