"""The documentation page, from files of an installed package: nothing in it comes from another host."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

OPENAPI: Final = "/v1/openapi.json"

_FILES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_OWN_HOST_ONLY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def router() -> APIRouter:
    """Make the routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/docs")
    async def docs() -> Response:
        page = get_swagger_ui_html(
            openapi_url=OPENAPI,
            title="Fieldlab API",
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="/docs/favicon.png",
            swagger_ui_parameters={
                "persistAuthorization": True,
                "displayRequestDuration": True,
                "tryItOutEnabled": True,
            },
        )
        page.headers["Content-Security-Policy"] = _OWN_HOST_ONLY
        return page

    @routes.get("/docs/{name}")
    async def file(name: str) -> Response:
        if name not in _FILES:
            raise HTTPException(404)
        path = Path(str(files("fastapi_offline") / "static" / name))
        return FileResponse(path, media_type=_FILES[name], headers={"Cache-Control": "public, max-age=86400"})

    return routes
