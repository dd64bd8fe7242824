"""The query: samples or buckets, each with its owner; and the decision behind them alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers import as_json
from api.answers.media import Format, choose
from api.answers.response import respond
from api.answers.tally import Tally
from api.desk import AtDesk, Desk
from api.direct import DirectRoute
from api.guarded import Caller, guarded_router
from api.models.answer import Decision, Measurements
from api.models.query import MeasurementsQuery
from fieldlab.assets.participant import Permission
from fieldlab.errors import InvalidInput, OutsideAgreement
from fieldlab.ownership.access import AccessKind, EndKind
from fieldlab.ownership.decision import charted, servable
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.duration import format_duration
from fieldlab.storage import agreements, read
from fieldlab.storage.selection import Answer, StatusFilter

ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": Measurements,
        "description": "The rows, or one page of them, with their segments",
        "content": {one.value: {"schema": {"type": "string"}} for one in Format if one is not Format.JSON},
    }
}
_DECISION: Final[dict[int | str, dict[str, Any]]] = {200: {"model": Decision, "description": "The segments of a page"}}


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("data", route=DirectRoute)

    @routes.get("/measurements", summary="Measurements of streams over a time", responses=ANSWER)
    async def measurements(
        request: Request, scope: Caller, desk: AtDesk, query: Annotated[MeasurementsQuery, Query()]
    ) -> Response:
        """Samples, or with `step` buckets, of the streams you ask for, in pages.

        You get the stretches that you may see, and each row carries the number of its segment, which names the owner;
        a stretch that is not yours is absent. What an agreement opens comes on its terms, which the segment names: with
        a resolution floor ask for a `step` of whole multiples; aggregates that are not allowed are null. CSV has the
        columns `owner` and `segment`, the segments themselves behind the `Link` to `describedby`, and the next page
        behind that to `next`.
        """
        return await _measurements(request, scope, desk, query)

    @routes.post("/measurements", summary="The same with the fields as JSON, for long lists", responses=ANSWER)
    async def posted_measurements(
        request: Request, scope: Caller, desk: AtDesk, query: Annotated[MeasurementsQuery, Body()]
    ) -> Response:
        """The same query as of GET, with its parameters as fields of a JSON object.

        Where the query is too long for an address, the `Link` to the next page holds only its cursor: send the same
        fields again with it. It changes nothing, and so takes no `Idempotency-Key`.
        """
        return await _measurements(request, scope, desk, query)

    @routes.get("/segments", summary="Whose data a query gives, without the data", responses=_DECISION)
    async def segments(
        request: Request, scope: Caller, desk: AtDesk, query: Annotated[MeasurementsQuery, Query()]
    ) -> Response:
        """The segments of the page that the same query to `/v1/measurements` gives: the companion of a CSV file."""
        return await _segments(request, scope, desk, query)

    @routes.post("/segments", summary="The same with the fields as JSON", responses=_DECISION)
    async def posted_segments(
        request: Request, scope: Caller, desk: AtDesk, query: Annotated[MeasurementsQuery, Body()]
    ) -> Response:
        """The same query as of GET, with its parameters as fields of a JSON object.

        It changes nothing, and so takes no `Idempotency-Key`.
        """
        return await _segments(request, scope, desk, query)

    return routes


@asynccontextmanager
async def refusals_noted(scope: ReadScope, desk: Desk) -> AsyncIterator[None]:
    """Record a stated purpose that an agreement does not allow, for both of its parties to see."""
    try:
        yield
    except OutsideAgreement as refused:
        if refused.agreement is not None and refused.purpose is not None:
            await agreements.note_refused_purpose(scope, desk.engine, refused.agreement, refused.purpose)
        raise


def refuse_unservable(answer: Answer, query: MeasurementsQuery) -> None:
    """Raise InvalidInput where every segment has a resolution floor that the question does not keep to."""
    good_only = query.status is StatusFilter.GOOD
    shown = charted if query.points is not None else partial(servable, step=query.length())
    if answer.segments and not shown(answer.segments, good_only=good_only):
        floors = sorted({segment.basis.shape.resolution_floor or 0 for segment in answer.segments})
        wanted = " and ".join(format_duration(floor) for floor in floors)
        raise InvalidInput(
            f"All of this is under agreements with a resolution floor of {wanted}: ask with a step that is a whole "
            "multiple of it, or for points where they allow means, and without status=good. GET /v1/segments shows "
            "each segment's shape."
        )


async def _measurements(request: Request, scope: ReadScope, desk: Desk, query: MeasurementsQuery) -> Response:
    scope.require(Permission.DATA_READ)
    medium = choose(query.format, request.headers.get("accept"))
    cursors = desk.cursors
    ask = query.ask(request.headers.get("data-purpose"), medium)
    async with refusals_noted(scope, desk):
        answer = await read.measurements(scope, desk.pool, query.selection(scope, cursors, ask))
    refuse_unservable(answer, query)
    cursor = query.next(scope, cursors, answer)
    settled = (
        {"last": None, "from": answer.interval.start, "until": answer.interval.until}
        if query.last is not None and query.cursor is None
        else {}
    )
    return respond(
        answer,
        medium,
        tell=desk.ends.add,
        ear=desk.ear,
        checkpoint=desk.ends.checkpoint,
        next_cursor=cursor,
        next_=query.address("/v1/measurements", cursor=cursor) if cursor else None,
        decision=query.address("/v1/segments", **settled),
        layout=query.layout,
    )


async def _segments(request: Request, scope: ReadScope, desk: Desk, query: MeasurementsQuery) -> Response:
    scope.require(Permission.DATA_READ)
    medium = choose(query.format, request.headers.get("accept"))
    cursors = desk.cursors
    ask = query.ask(request.headers.get("data-purpose"), medium)
    async with refusals_noted(scope, desk):
        selection = replace(query.selection(scope, cursors, ask), kind=AccessKind.SEGMENTS)
        answer = await read.measurements(scope, desk.pool, selection)
    Tally(answer, desk.ends.add).end(EndKind.ANSWERED)
    answer = replace(answer, checkpoint=desk.ends.checkpoint)
    body = as_json.write_head(answer, query.next(scope, cursors, answer))
    return Response(body, media_type=Format.JSON.value)
