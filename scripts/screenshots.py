"""Make the pictures of the pages, docs/images/playground-*.png and evaluation-*.png, with the demo model and Debian's
Chromium. The evaluation is that of tests/data/pii_synth_gold.jsonl.

python scripts/screenshots.py
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
PICTURES: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1200, "height": 640}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1200, "height": 640}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 390, "height": 1180}, "color_scheme": "light"},
}
SHOWN = "Okonkwo"  # the span whose card is open
# For the system's font, which differs from machine to machine (Debian: fonts-inter).
FONT = ":root { font-family: Inter, system-ui, sans-serif; }"


def main() -> None:
    with served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, options in PICTURES.items():
            page = browser.new_context(device_scale_factor=1.5, bypass_csp=True, **options).new_page()
            page.goto(f"{url}/playground")
            page.add_style_tag(content=FONT)
            page.click("#example")
            page.hover(f"#spans mark:has-text('{SHOWN}')")
            page.screenshot(path=IMAGES / f"playground-{name}.png")
        with tempfile.TemporaryDirectory() as folder:
            evaluated(Path(folder, "report.html"))
            for name in ("light", "dark"):
                how: dict[str, Any] = {"color_scheme": name, "viewport": {"width": 1100, "height": 900}}
                page = browser.new_context(bypass_csp=True, **how).new_page()
                page.goto(Path(folder, "report.html").as_uri())
                page.add_style_tag(content=FONT)
                if name == "dark":
                    page.evaluate("() => document.getElementById('records').scrollIntoView()")
                    page.wait_for_timeout(300)
                page.screenshot(path=IMAGES / f"evaluation-{name}.png")
        browser.close()


def evaluated(page: Path) -> None:
    """Write the page of `vtag eval`."""
    gold = ROOT / "tests" / "data" / "pii_synth_gold.jsonl"
    command = [sys.executable, "-m", "vtag", "eval", "demo", str(gold), "--dtype", "float32"]
    command += ["--show-text", "--html", str(page)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def served(model: str = "demo") -> Iterator[str]:
    """Where `vtag serve` listens."""
    command = [sys.executable, "-m", "vtag", "serve", model, "--port", "0", "--dtype", "float32"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"is served at (\S+)", process.stdout.readline())
        assert found
        yield found[1]
        process.terminate()


if __name__ == "__main__":
    main()
