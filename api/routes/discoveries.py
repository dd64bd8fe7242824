"""Discoveries: what arrives and is not bound to any stream yet."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query
from pydantic import Field

from api.desk import AtDesk
from api.field import SlugText
from api.guarded import Caller, guarded_router
from api.models.discoveries import Discovery
from api.models.page import ListQuery, Page, page
from api.models.sources import Binding, Done
from fieldlab.storage import plugging
from fieldlab.storage.discoveries import seen

_CONFLICT: Final[dict[int | str, dict[str, Any]]] = {
    409: {"description": "A stream is fed already, or does not fit what arrives; each case is named"}
}


class _Discoveries(ListQuery):
    source: Annotated[SlugText | None, Field(description="At this source.")] = None


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("discoveries")

    @routes.get("/discoveries", summary="What arrives and is not bound yet")
    async def discoveries(scope: Caller, desk: AtDesk, query: Annotated[_Discoveries, Query()]) -> Page[Discovery]:
        """List addresses with their latest value, kind, rate and what is told of them, by source. Needs `lab:admin`.

        What is shown arrived a second or two ago; it is kept for a day, and stored once it is bound.
        """
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

    @routes.post("/discoveries/bind", status_code=201, summary="Let what arrives feed streams", responses=_CONFLICT)
    async def bind(scope: Caller, desk: AtDesk, binding: Annotated[Binding, Body()]) -> Done:
        """Bind one address, those of a pattern, or a whole asset. Needs `lab:admin`.

        Streams that are missing are made, with kind, unit, quantity, description and range as discovered; one that is
        there and fed by nothing is taken. Samples that came before are stored, each for whoever had the asset at its
        time. Twice is the same as once.
        """
        outcome = await plugging.bind(scope, desk.engine, binding.plug(), dry_run=binding.dry_run)
        return Done.of(outcome, dry_run=binding.dry_run)

    return routes
