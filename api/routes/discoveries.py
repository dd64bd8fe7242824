"""Discoveries: what arrives and is not bound to any stream yet."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.desk import AtDesk
from api.field import SlugText
from api.guarded import Caller, guarded_router
from api.models.discoveries import Discovery
from api.models.page import ListQuery, Page, page
from fieldlab.storage.discoveries import seen


class _Discoveries(ListQuery):
    source: Annotated[SlugText | None, Field(description="At this source.")] = None


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("discoveries")

    @routes.get("/discoveries", summary="What arrives and is not bound yet")
    async def discoveries(scope: Caller, desk: AtDesk, query: Annotated[_Discoveries, Query()]) -> Page[Discovery]:
        """List addresses with the latest value, kind and rate, by source and address. Needs `lab:admin`."""
        return await page(
            scope,
            desk.cursors,
            query,
            route="discoveries",
            fetch=lambda after, limit: seen(
                scope, desk.engine, source=query.source, after=(after[0], after[1]) if after else None, limit=limit
            ),
            place=lambda row: [row.source, row.address],
            shown=Discovery.of,
        )

    return routes
