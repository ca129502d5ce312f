"""The pages of the documentation, and their blocks of code.

A block with a title (```toml title="policy.toml") is a file. A block without a language, or one of `text` or `json`,
that directly follows code is what that code prints; `...` in it stands for anything.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *(ROOT / "docs").rglob("*.md")]
)
RUN = ("python", "py", "sh")


class Block(NamedTuple):
    """A block of code. output: the block after it, if that is what it prints."""

    language: str
    title: str | None
    text: str
    output: str | None


def name(page: Path) -> str:
    """Its path in the repository."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """In order, those that are an output within the block before."""
    # Without generated sections, and without blocks that show blocks.
    aside = r"<!-- made by .*?<!-- end -->|^````.*?^````$"
    text = re.sub(aside, "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    fences = list(re.finditer(r"^```(\w*)(?: title=\"(.*?)\")?\n(.*?)^```\n", text, re.DOTALL | re.MULTILINE))
    found: list[Block] = []
    before: re.Match[str] | None = None
    for fence in fences:
        language, title, code = fence.groups()
        follows = before is not None and not text[before.end() : fence.start()].strip()
        if follows and title is None and language in ("", "text", "json") and found[-1].language in RUN:
            found[-1] = found[-1]._replace(output=code)
        else:
            found.append(Block(language, title, code, None))
        before = fence
    return found


def commands(block: Block) -> list[str]:
    """Its lines, without comments; a line goes on after a \\, a | or an open quotation mark."""
    found: list[str] = []
    part = ""
    for line in block.text.splitlines():
        part += re.sub(r"(^|\s{2,})#.*", "", line).rstrip() + "\n"
        if part.endswith(("\\\n", "|\n")) or not _closed(part):
            continue
        if part.strip():
            found.append(part.replace("\\\n", " ").strip())
        part = ""
    return found


def _closed(part: str) -> bool:
    """Whether every quotation mark has its second one."""
    try:
        shlex.split(part)
    except ValueError:
        return False
    return True


def assert_prints(printed: str, shown: str) -> None:
    """That it is what the page shows."""
    pattern = ".*?".join(map(re.escape, shown.strip().split("...")))
    assert re.fullmatch(pattern, printed.strip(), re.DOTALL), f"printed:\n{printed}\nthe page shows:\n{shown}"


def assert_answers(answer: str, shown: str) -> None:
    """The same of JSON, whose scores are rounded on the page; several values are lines."""
    try:
        found, wanted = [json.loads(answer)], [json.loads(shown)]
    except json.JSONDecodeError:
        found, wanted = ([json.loads(line) for line in text.splitlines()] for text in (answer, shown))
    assert found == _rounded(wanted), f"answered:\n{answer}\nthe page shows:\n{shown}"


def _rounded(shown: Any) -> Any:
    if isinstance(shown, list):
        return [_rounded(item) for item in shown]
    if isinstance(shown, dict):
        return {key: _rounded(value) for key, value in shown.items()}
    return pytest.approx(shown, abs=0.03) if isinstance(shown, float) else shown
