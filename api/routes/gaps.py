"""What is known to be missing in what one may see."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request

from api.answers.media import Format, Medium
from api.desk import AtDesk, Desk
from api.guarded import Caller, ReadingRoute, guarded_router
from api.models.gaps import Gaps, GapsQuery, MissingStretch
from api.routes.measurements import refusals_noted
from fieldlab.assets.participant import Permission
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage import gaps as storage


def router() -> APIRouter:
    """Make the route."""
    routes = guarded_router("data", route=ReadingRoute)

    @routes.get("/gaps", summary="What is missing in streams over a time")
    async def gaps(request: Request, scope: Caller, desk: AtDesk, query: Annotated[GapsQuery, Query()]) -> Gaps:
        """Known holes of the streams, with their cause, by stream as asked and then by time. Needs `data:read`.

        You get those within the stretches that you may see, cut to them, each with its owner. A hole that was mended is
        none. Where nothing is listed nothing is known to be missing; `/v1/segments` tells what you may see.
        """
        return await missing(request, scope, desk, query)

    return routes


async def missing(request: Request, scope: ReadScope, desk: Desk, query: GapsQuery) -> Gaps:
    """Decide, note it in the ledger, and give one page of what is missing; raises as every read does."""
    scope.require(Permission.DATA_READ)
    after, interval = query.begins(scope, desk.cursors)
    ask = query.ask(request.headers.get("data-purpose"), Medium(format=Format.JSON))
    async with refusals_noted(scope, desk):
        page = await storage.gaps(scope, desk.pool, query.wanted(), interval, ask, after=after, limit=query.limit)
    return Gaps.model_validate(
        {
            "decided_at": page.decided_at,
            "items": [MissingStretch.of(one) for one in page.items],
            "next": query.next(scope, desk.cursors, page),
        }
    )
