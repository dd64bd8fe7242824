"""Who owns what when, and the operations that change it."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query
from pydantic import Field

from api.desk import AtDesk
from api.field import SlugText
from api.guarded import Caller, guarded_router
from api.models.page import ListQuery, Page, page
from api.models.tenures import Correction, Extension, HandOver, Return, Tenure, TenureEvent, Timelines
from fieldlab.readings.instant import Instant
from fieldlab.storage import hand_overs, tenure_events
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
        """Your own tenures by asset, stream and time.

        With `tenures:write` those of the machines that are yours as well; all of them with `lab:admin`.
        """
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
        """Give a machine, or some of its streams, to a participant for time that nobody has booked.

        What is measured in `[from, until)` is theirs from then on, however late it arrives. Needs `tenures:write` for a
        machine of your own, or `lab:admin`.
        """
        changed = await hand_overs.hand_over(scope, desk.engine, slug, booking.booking(), streams=booking.streams)
        return Timelines(items=[Tenure.of(entry) for entry in changed])

    @routes.post("/assets/{slug}/returns", status_code=201, summary="End a booking early", responses=_CONFLICT)
    async def give_back(scope: Caller, desk: AtDesk, slug: SlugText, ending: Annotated[Return, Body()]) -> Timelines:
        """End the booking that is in force at a time; the rest of it is the home owner's again.

        Needs `tenures:write` for a booking of your own, or from now on for a machine of your own; else `lab:admin`.
        """
        changed = await hand_overs.return_early(scope, desk.engine, slug, ending.at, streams=ending.streams)
        return Timelines(items=[Tenure.of(entry) for entry in changed])

    @routes.post("/assets/{slug}/extensions", status_code=201, summary="Let a booking last longer", responses=_CONFLICT)
    async def extend(scope: Caller, desk: AtDesk, slug: SlugText, longer: Annotated[Extension, Body()]) -> Timelines:
        """Let the booking that is in force at a time end later, if nobody has booked that time.

        Needs `tenures:write` for a machine of your own, or `lab:admin`.
        """
        changed = await hand_overs.extend(scope, desk.engine, slug, longer.at, longer.until, streams=longer.streams)
        return Timelines(items=[Tenure.of(entry) for entry in changed])

    @routes.post(
        "/assets/{slug}/corrections", status_code=201, summary="Put a wrong booking right", responses=_CONFLICT
    )
    async def correct(scope: Caller, desk: AtDesk, slug: SlugText, right: Annotated[Correction, Body()]) -> Timelines:
        """Say that a booking was entered wrongly, and what it was in truth.

        Needs `tenures:write` to say that a booking of your own never was, or to correct what is still to come on a
        machine of your own; `lab:admin` for anything else. It holds for all later reads at once, of the past too.
        Whoever lost or gained time is told in the ledger, and who gained it finds there each answer that had been
        served of it: `GET /v1/accesses`.
        """
        changed = await hand_overs.correct(
            scope, desk.engine, slug, right.at, right.right(), reason=right.reason, streams=right.streams
        )
        return Timelines(items=[Tenure.of(entry) for entry in changed])

    @routes.get("/assets/{slug}/history", summary="How ownership of a machine changed")
    async def history(
        scope: Caller, desk: AtDesk, slug: SlugText, query: Annotated[ListQuery, Query()]
    ) -> Page[TenureEvent]:
        """Every hand-over, extension, return and correction, newest first, which nobody can edit.

        You see your own part of each; all of it with `tenures:write` where the machine is yours, and with `lab:admin`.
        """
        return await page(
            scope,
            desk.cursors,
            query,
            route=f"history of {slug}",
            fetch=lambda after, limit: tenure_events.events(
                scope, desk.engine, slug, before=int(after[0]) if after else None, limit=limit
            ),
            place=lambda event: [event.id],
            shown=TenureEvent.of,
        )

    return routes
