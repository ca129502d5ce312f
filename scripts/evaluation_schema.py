"""Write docs/reference/evaluation.schema.json, the JSON Schema of what `vtag eval --json` prints.

python scripts/evaluation_schema.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from vtag.evaluation.figures import SCHEMA, Compared, Figures

TARGET = Path(__file__).parent.parent / "docs" / "reference" / "evaluation.schema.json"


def schema() -> dict[str, Any]:
    """Of a report or, for two systems, of a comparison."""
    found: dict[str, Any] = TypeAdapter(Figures | Compared).json_schema()
    for name in ("Figures", "Compared"):
        found["$defs"][name]["properties"]["schema"] = {"const": SCHEMA}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"vtag eval --json, {SCHEMA}",
        **found,
    }


def written() -> str:
    """The file's text."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    TARGET.write_text(written(), "utf-8")
