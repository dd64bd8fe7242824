"""The bookings of a trial as one: entered, extended and returned on all that it has, or on nothing."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path

from api.desk import AtDesk
from api.field import SlugText
from api.guarded import Caller, guarded_router
from api.models.tenures import TrialBooking, TrialBookings, TrialExtension, TrialReturn
from fieldlab.storage import trials as storage

_CONFLICT: Final[dict[int | str, dict[str, Any]]] = {
    409: {"description": "Some of it is booked then, or nothing is; it is not said what, nor by whom"}
}

Slug = Annotated[SlugText, Path(description="The trial's slug.")]


def router() -> APIRouter:
    """Make the routes."""
    routes = guarded_router("ownership")

    @routes.post("/trials", status_code=201, summary="Book machines for a trial", responses=_CONFLICT)
    async def book_trial(scope: Caller, desk: AtDesk, booking: Annotated[TrialBooking, Body()]) -> TrialBookings:
        """Give a participant several machines, or single streams, for time that nobody has booked.

        Needs `tenures:write` for machines of your own, or `lab:admin`. All of it is entered, or nothing. What is
        measured in `[from, until)` is the participant's from then on. The same slug books more for the same
        participant, now or at another time.
        """
        changed = await storage.book(scope, desk.engine, booking.parts(), booking.booking())
        return TrialBookings.of(booking.slug, changed)

    @routes.post("/trials/{slug}/extensions", status_code=201, summary="Let a trial last longer", responses=_CONFLICT)
    async def extend_trial(
        scope: Caller, desk: AtDesk, slug: Slug, longer: Annotated[TrialExtension, Body()]
    ) -> TrialBookings:
        """Let the last booking of each of its streams end later, if nobody has booked that time.

        Needs `tenures:write` for what it has of machines of your own, or `lab:admin`. All are extended, or none.
        """
        return TrialBookings.of(slug, await storage.extend(scope, desk.engine, slug, longer.until))

    @routes.post("/trials/{slug}/returns", status_code=201, summary="End a trial early", responses=_CONFLICT)
    async def return_trial(
        scope: Caller, desk: AtDesk, slug: Slug, ending: Annotated[TrialReturn, Body()]
    ) -> TrialBookings:
        """End its bookings that are in force at a time; the rest is the home owners' again.

        Needs `tenures:write` for a trial of your own, or from now on for what it has of machines of your own; else
        `lab:admin`.
        """
        return TrialBookings.of(slug, await storage.return_early(scope, desk.engine, slug, ending.at))

    return routes
