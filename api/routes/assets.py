"""Machines and devices."""

from functools import cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query
from starlette.responses import Response

from api.desk import AtDesk
from api.field import SlugText
from api.guarded import Caller, guarded_router
from api.models.assets import AssetChange, NewAsset
from api.models.catalogue import Asset
from api.models.page import ListQuery, Page, page
from fieldlab.assets.asset_type import AssetTypes, read_types
from fieldlab.storage import assets as storage
from fieldlab.storage import catalogue

_TAKEN: Final[dict[int | str, dict[str, Any]]] = {409: {"description": "There is an asset of that slug already"}}
_RECORDING: Final[dict[int | str, dict[str, Any]]] = {
    409: {"description": "A machine would become a recording, or a recording a machine"}
}


@cache
def _types() -> AssetTypes:
    """Read the asset types that come with Fieldlab, when the first machine is entered."""
    return read_types()


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
        return Asset.of(await storage.one(scope, desk.engine, slug))

    @routes.post("/assets", status_code=201, summary="Enter a machine", responses=_TAKEN)
    async def add_asset(response: Response, scope: Caller, desk: AtDesk, new: Annotated[NewAsset, Body()]) -> Asset:
        """Enter a machine or device with its streams, as `lab.yaml` would declare it. Needs `lab:admin`.

        Its data is its home owner's until it is handed over. `POST /v1/discoveries/bind` then connects what arrives to
        its streams.
        """
        entry, streams = new.entries(_types())
        made = await storage.enter(scope, desk.engine, new.slug, entry, streams)
        response.headers["Location"] = f"/v1/assets/{made.slug}"
        return Asset.of(made)

    @routes.patch("/assets/{slug}", summary="Describe a machine anew", responses=_RECORDING)
    async def change_asset(
        scope: Caller, desk: AtDesk, slug: SlugText, change: Annotated[AssetChange, Body()]
    ) -> Asset:
        """Change its name, nature, place, description or topics; what is left out stays. Needs `lab:admin`.

        Whose its data is, is no property of a machine: `POST /v1/assets/{slug}/hand-overs` gives it to somebody for a
        time, and `corrections` puts a wrong booking right.
        """
        return Asset.of(await storage.describe(scope, desk.engine, slug, change.changes()))

    return routes
