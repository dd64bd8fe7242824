"""Machines and devices."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.desk import AtDesk
from api.field import SlugText
from api.guarded import Caller, guarded_router
from api.models.catalogue import Asset
from api.models.page import ListQuery, Page, page
from fieldlab.errors import NotFound
from fieldlab.storage import catalogue


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("catalogue")

    @routes.get("/assets", summary="Machines that concern you")
    async def assets(scope: Caller, desk: AtDesk, query: Annotated[ListQuery, Query()]) -> Page[Asset]:
        """Your own machines and those you have had, have or will have on loan, by slug."""
        return await page(
            scope,
            desk.cursors,
            query,
            route="assets",
            fetch=lambda after, limit: catalogue.assets(
                scope, desk.engine, after=after[0] if after else "", limit=limit
            ),
            place=lambda asset: [asset.slug],
            shown=Asset.of,
        )

    @routes.get("/assets/{slug}", summary="One machine")
    async def asset(scope: Caller, desk: AtDesk, slug: SlugText) -> Asset:
        """One machine that concerns you."""
        found = await catalogue.assets(scope, desk.engine, slug=slug, limit=1)
        if not found:
            raise NotFound(f"There is no asset {slug!r}; GET /v1/assets lists those you can see.")
        return Asset.of(found[0])

    return routes
