"""Who owns what when, and the operations that change it."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query
from pydantic import Field

from api.desk import AtDesk
from api.field import SlugText
from api.guarded import Caller, guarded_router
from api.models.page import ListQuery, Page, page
from api.models.tenures import HandOver, Return, Tenure, Timelines
from fieldlab.readings.instant import Instant
from fieldlab.storage import tenures as storage
from fieldlab.storage.tenures import StreamTenure


class _Query(ListQuery):
    asset: Annotated[SlugText | None, Field(description="Tenures of this asset.")] = None


def _place(entry: StreamTenure) -> list[str | int]:
    return [entry.asset, entry.stream, int(entry.tenure.interval.start)]


def _after(place: list[Any] | None) -> tuple[str, str, Instant] | None:
    return (place[0], place[1], Instant(place[2])) if place else None


_CONFLICT: Final[dict[int | str, dict[str, Any]]] = {
    409: {"description": "The asset is booked then, or nothing is; it is not said by whom"}
}


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("ownership")

    @routes.get("/tenures", summary="Who owns what a stream produces, when")
    async def tenures(scope: Caller, desk: AtDesk, query: Annotated[_Query, Query()]) -> Page[Tenure]:
        """Your own tenures by asset, stream and time; all of them with the scope `lab:admin`."""
        return await page(
            scope,
            desk.cursors,
            query,
            route="tenures",
            fetch=lambda after, limit: storage.listed(
                scope, desk.engine, asset=query.asset, after=_after(after), limit=limit
            ),
            place=_place,
            shown=Tenure.of,
        )

    @routes.post(
        "/assets/{slug}/hand-overs", status_code=201, summary="Give a machine to a participant", responses=_CONFLICT
    )
    async def hand_over(scope: Caller, desk: AtDesk, slug: SlugText, booking: Annotated[HandOver, Body()]) -> Timelines:
        """Give all streams of a machine to a participant for a time that nobody has booked. Needs `lab:admin`.

        What is measured in `[from, until)` is theirs from then on, however late it arrives.
        """
        changed = await storage.hand_over(scope, desk.engine, slug, booking.booking())
        return Timelines(items=[Tenure.of(entry) for entry in changed])

    @routes.post("/assets/{slug}/returns", status_code=201, summary="End a booking early", responses=_CONFLICT)
    async def give_back(scope: Caller, desk: AtDesk, slug: SlugText, ending: Annotated[Return, Body()]) -> Timelines:
        """End the booking that is in force at a time; the rest of it is the home owner's again. Needs `lab:admin`."""
        changed = await storage.return_early(scope, desk.engine, slug, ending.at)
        return Timelines(items=[Tenure.of(entry) for entry in changed])

    return routes
