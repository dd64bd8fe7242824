"""The newest value of streams."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers.media import choose
from api.answers.response import respond_newest
from api.desk import AtDesk
from api.direct import DirectRoute
from api.guarded import Caller, guarded_router
from api.models.query import StreamsQuery
from api.routes.measurements import ANSWER, refusals_noted
from fieldlab.assets.participant import Permission
from fieldlab.storage import read


def router() -> APIRouter:
    """Make the route."""
    routes = guarded_router("data", route=DirectRoute)

    @routes.get("/latest", summary="The newest value of each stream", responses=ANSWER)
    async def latest(
        request: Request, scope: Caller, desk: AtDesk, query: Annotated[StreamsQuery, Query()]
    ) -> Response:
        """The newest sample of each stream that you may see; after your time on a machine that is your last one.

        A stream without one has no row, and neither has one that an agreement opens above a resolution floor alone.
        Each row is a segment of its own.
        """
        scope.require(Permission.DATA_READ)
        medium = choose(query.format, request.headers.get("accept"))
        ask = query.ask(request.headers.get("data-purpose"), medium)
        async with refusals_noted(scope, desk):
            newest = await read.latest(scope, desk.pool, query.wanted(), ask)
        return respond_newest(
            newest,
            medium,
            tell=desk.ends.add,
            ear=desk.ear,
            checkpoint=desk.ends.checkpoint,
            decision=query.address("/v1/latest"),
        )

    return routes
