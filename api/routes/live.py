"""Data as it arrives, over server-sent events and over WebSocket."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.desk import AtDesk, Desk
from api.guarded import Caller, guarded_router
from api.live.following import Following, opened
from api.live.socket import SocketStream
from api.live.sse import MEDIA_TYPE, EventStream
from api.models.live import FollowQuery, LiveQuery
from api.routes.measurements import refusals_noted
from api.upgrade import UPGRADED
from fieldlab.assets.participant import Permission
from fieldlab.ownership.scope import ReadScope

_LIVE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Events, until somebody ends it", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
}

SOCKET: Final = "/v1/live/ws"
"""Where a WebSocket is taken."""

_UPGRADE_REQUIRED: Final = 426

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="The id of the last event that you have got.")
]


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("data")

    @routes.get("/live", summary="Samples as they arrive", responses=_LIVE, response_class=Response)
    async def live(
        request: Request,
        scope: Caller,
        desk: AtDesk,
        query: Annotated[LiveQuery, Query()],
        last_event_id: LastEventId = None,
    ) -> Response:
        """Server-sent events: samples of the streams you ask for, as they are stored, also those that come late.

        `segments` comes first: the streams, the segments in force, and the columns of a row. `samples` has rows, each
        with the number of its segment and whether it is late, older than one you have got. `segment` tells of a new or
        changed segment before the first row in it; after a hand-over your rows end. `missed` tells a reader that is too
        slow how many samples it did not get, and where to fetch them. `end` says why it is over.

        Each id is a position. Come back with the last one in `Last-Event-ID` (a browser does it by itself) and you get
        all that came since, once. Positions are good for 45 minutes. Needs the scope `data:live`; under an agreement
        its term `live`.

        The same over WebSocket, which this document cannot describe: `/v1/live/ws`, each event a JSON text message
        with `event`, `id` and `data`.
        """
        scope.require(Permission.DATA_LIVE)
        return EventStream(await _followed(request, scope, desk, query, last_event_id))

    @routes.get("/live/ws", response_class=Response, include_in_schema=False)
    async def live_ws(
        request: Request,
        scope: Caller,
        desk: AtDesk,
        query: Annotated[FollowQuery, Query()],
        last_event_id: LastEventId = None,
    ) -> Response:
        """Follow data over WebSocket."""
        scope.require(Permission.DATA_LIVE)
        if UPGRADED not in request.scope["state"]:
            raise HTTPException(
                _UPGRADE_REQUIRED,
                "This address is a WebSocket; come with one, or read the same events at /v1/live.",
                headers={"Upgrade": "websocket", "Connection": "Upgrade"},
            )
        return SocketStream(await _followed(request, scope, desk, query, last_event_id))

    return routes


async def _followed(
    request: Request, scope: ReadScope, desk: Desk, query: FollowQuery, last_event_id: str | None
) -> Following:
    asked = query.request(request.headers.get("data-purpose"), last_event_id)
    async with refusals_noted(scope, desk):
        return await opened(desk.hub, desk.engine, desk.ends, desk.cursors, scope, asked)
