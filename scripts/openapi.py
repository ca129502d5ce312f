"""Writes docs/reference/openapi.json: vtag's routes, as clients are made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI

import vtag
from vtag.serve.plugin import ROUTERS

FILE = Path(__file__).parent.parent / "docs" / "reference" / "openapi.json"


def described() -> dict[str, Any]:
    """The OpenAPI of vtag's routes alone: a server has vLLM's too."""
    app = FastAPI(title="vtag", version=vtag.__version__, description="Token classification on vLLM")
    for router in ROUTERS:
        app.include_router(router)
    return app.openapi()


def text() -> str:
    """The file."""
    return json.dumps(described(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
