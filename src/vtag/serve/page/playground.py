"""`GET /playground`: a page that shows the spans of typed text; its parts are in this folder."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from fastapi import Request, Response

from vtag import view
from vtag.serve.http.route import routes_of

FOLDER = Path(__file__).parent


def _assembled() -> tuple[str, dict[str, str]]:
    """The page as one document, and headers that allow its own script and style and nothing else."""
    style = view.STYLE + (FOLDER / "page.css").read_text("utf-8")
    script = (FOLDER / "page.js").read_text("utf-8")
    document = (FOLDER / "page.html").read_text("utf-8")
    document = document.replace("<style></style>", f"<style>{style}</style>")
    document = document.replace("<script></script>", f"<script>{script}</script>")
    policy = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return document, {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _hash(inline: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"


DOCUMENT, HEADERS = _assembled()
router = routes_of("vtag")


@router.get("/playground", include_in_schema=False)
async def playground(request: Request) -> Response:
    """The page, without a key: it asks for the key itself, and contains nothing about the model."""
    return Response(DOCUMENT, headers=HEADERS, media_type="text/html")
