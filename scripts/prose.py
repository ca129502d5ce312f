"""Count lines and words of Markdown files, and print their longest sentences.

    python scripts/prose.py README.md docs

Tables, code blocks and generated sections (`<!-- made by ... <!-- end -->`) are lines and words, and no sentences.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

LONGEST = 20


def prose(markdown: str) -> str:
    """The sentences of a page: no code blocks, tables, HTML, pictures; links by their text."""
    text = re.sub(r"<!-- made by .*?<!-- end -->", "\n", markdown, flags=re.DOTALL)
    text = re.sub(r"^(```+).*?^\1$", "\n", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^( {4,}|\t|[|<#:!]).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    # An item of a list ends the sentence before it, as an empty line does.
    return re.sub(r"^\s*([-*+]|\d+\.) ", "\n\n", text, flags=re.MULTILINE)


def sentences(markdown: str) -> list[str]:
    """In order; a colon does not end one."""
    found = []
    for paragraph in re.split(r"\n\s*\n", prose(markdown)):
        found += re.split(r"(?<=[.!?])[)\"*]*\s+(?=[A-Z`*(\"])", " ".join(paragraph.split()))
    return [sentence for sentence in found if sentence]


def files(arguments: list[str]) -> list[Path]:
    """Files as they are, and the Markdown files of folders."""
    paths = map(Path, arguments)
    return sorted(file for path in paths for file in (path.rglob("*.md") if path.is_dir() else [path]))


def main(arguments: list[str]) -> None:
    longest: list[tuple[int, str, str]] = []
    totals = [0, 0, 0]
    for file in files(arguments):
        markdown = file.read_text("utf-8")
        found = sentences(markdown)
        counts = [markdown.count("\n"), len(markdown.split()), sum(len(sentence.split()) for sentence in found)]
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        print(f"{counts[0]:6,} lines {counts[1]:8,} words {counts[2]:8,} in sentences  {file}")
        longest += [(len(sentence.split()), str(file), sentence) for sentence in found]
    print(f"{totals[0]:6,} lines {totals[1]:8,} words {totals[2]:8,} in sentences")
    for words, name, sentence in sorted(longest, reverse=True)[:LONGEST]:
        print(f"\n{words} words, {name}\n  {sentence}")


if __name__ == "__main__":
    main(sys.argv[1:])
