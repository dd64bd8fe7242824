"""What the `type` of a problem points at: a page that says what it means."""

from html import escape

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from api.errors import ALL

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{meaning}</p><p>HTTP status {status}. The routes are described in the
<a href="/docs">documentation</a>.</p></body></html>
"""


def router() -> APIRouter:
    """Make the route."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/problems/{slug}")
    async def problem(slug: str) -> Response:
        known = ALL.get(slug)
        if known is None:
            raise HTTPException(404)
        return HTMLResponse(
            _PAGE.format(title=escape(known.title), meaning=escape(known.meaning), status=known.status),
            headers={"Cache-Control": "public, max-age=86400"},
        )

    return routes
