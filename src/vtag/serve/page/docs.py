"""`GET /docs`: the routes in Swagger UI, whose scripts are part of vLLM."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.openapi.docs import get_swagger_ui_html

from vtag.serve.http.route import routes_of

router = routes_of("vtag")


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """A page that loads nothing from other hosts."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="vtag",
        swagger_js_url="/static/swagger-ui-bundle.js",
        swagger_css_url="/static/swagger-ui.css",
        swagger_favicon_url="data:,",
    )
