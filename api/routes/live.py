"""Data as it arrives."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from api.desk import AtDesk
from api.guarded import Caller, guarded_router
from api.live.following import opened
from api.live.sse import MEDIA_TYPE, EventStream
from api.models.live import LiveQuery
from api.routes.measurements import refusals_noted
from fieldlab.assets.participant import Permission

_LIVE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Events, until somebody ends it", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
}


def router() -> APIRouter:
    """Make the route."""
    routes = guarded_router("data")

    @routes.get("/live", summary="Samples as they arrive", responses=_LIVE, response_class=Response)
    async def live(
        request: Request,
        scope: Caller,
        desk: AtDesk,
        query: Annotated[LiveQuery, Query()],
        last_event_id: Annotated[
            str | None, Header(alias="Last-Event-ID", description="The id of the last event that you have got.")
        ] = None,
    ) -> Response:
        """Server-sent events: samples of the streams you ask for, as they are stored, also those that come late.

        `segments` comes first: the streams, the segments in force, and the columns of a row. `samples` has rows, each
        with the number of its segment and whether it is late, older than one you have got. `segment` tells of a new or
        changed segment before the first row in it; after a hand-over your rows end. `missed` tells a reader that is too
        slow how many samples it did not get, and where to fetch them. `end` says why it is over.

        Each id is a position. Come back with the last one in `Last-Event-ID` (a browser does it by itself) and you get
        all that came since, once. Positions are good for 45 minutes. Needs the scope `data:live`; under an agreement
        its term `live`.
        """
        scope.require(Permission.DATA_LIVE)
        asked = query.request(request.headers.get("data-purpose"), last_event_id)
        async with refusals_noted(scope, desk):
            following = await opened(desk.hub, desk.engine, desk.ends, desk.cursors, scope, asked)
        return EventStream(following)

    return routes
