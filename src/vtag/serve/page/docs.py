"""`GET /docs`: the routes, by Swagger UI, whose scripts vLLM brings along."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.openapi.docs import get_swagger_ui_html

from vtag.serve.http.route import routes_of

router = routes_of("vtag")


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """A page that loads nothing from elsewhere."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="vtag",
        swagger_js_url="/static/swagger-ui-bundle.js",
        swagger_css_url="/static/swagger-ui.css",
        swagger_favicon_url="data:,",
    )
