"""Write README.md's table of architectures from the one in the code.

python scripts/architectures.py
"""

from __future__ import annotations

import re
from pathlib import Path

from vtag.model.architectures import ARCHITECTURES

README = Path(__file__).parent.parent / "README.md"
SECTION = re.compile(r"(?<=<!-- architectures -->\n).*?(?=<!-- end -->)", re.DOTALL)
ROUTES = {
    "native": "vLLM's own decoder with a token head",
    "packed": "Hugging Face's module inside vLLM, many texts in one request",
    None: "not run: they need more than text",
}


def table() -> str:
    """One row a route: how it runs, and Hugging Face's `model_type`s."""
    rows = ["| How | Architectures |", "| --- | --- |"]
    for route, how in ROUTES.items():
        names = [f"`{name}`" for name, row in sorted(ARCHITECTURES.items()) if row.route == route]
        rows.append(f"| {how} ({len(names)}) | {', '.join(names)} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    README.write_text(SECTION.sub(lambda _: table(), README.read_text("utf-8")), "utf-8")
