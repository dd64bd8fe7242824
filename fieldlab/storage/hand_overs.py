"""Hand-overs of a machine: entering, extending, ending and correcting its bookings; who may is in `amendment`."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.ownership import tenure as timelines
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.tenure import Tenure, Timeline
from fieldlab.readings.instant import Instant
from fieldlab.storage.amendment import Amendment, Change, Kind, Machine, Part, amend
from fieldlab.storage.tenures import StreamTenure


async def hand_over(
    scope: ReadScope, engine: AsyncEngine, asset: str, booking: Tenure, *, streams: Iterable[str] = ()
) -> tuple[StreamTenure, ...]:
    """Enter a booking of an asset or some of its streams, and list these streams' tenures; errors as for `amend`."""
    parts = [Part(asset=asset, streams=frozenset(streams))]
    return await amend(scope, engine, parts, entering(booking))


def entering(booking: Tenure) -> Amendment:
    """Give the amendment that enters a booking."""
    return Amendment(
        kind=Kind.HAND_OVER, change=lambda _, timeline: timelines.hand_over(timeline, booking), to=booking.owner
    )


async def return_early(
    scope: ReadScope, engine: AsyncEngine, asset: str, at: Instant, *, streams: Iterable[str] = ()
) -> tuple[StreamTenure, ...]:
    """End the booking in force at a time there, and list the streams' tenures; errors as for `amend`."""

    def ended(machine: Machine, timeline: Timeline) -> Timeline:
        return timelines.return_early(timeline, at, machine.home_owner)

    parts = [Part(asset=asset, streams=frozenset(streams))]
    return await amend(scope, engine, parts, Amendment(kind=Kind.RETURN, change=_held(at, ended), gives_back=True))


async def extend(
    scope: ReadScope, engine: AsyncEngine, asset: str, at: Instant, until: Instant, *, streams: Iterable[str] = ()
) -> tuple[StreamTenure, ...]:
    """Let the booking in force at a time last longer, and list the streams' tenures; errors as for `amend`."""
    parts = [Part(asset=asset, streams=frozenset(streams))]
    longer = Amendment(kind=Kind.EXTEND, change=lambda _, timeline: timelines.extend(timeline, at, until))
    return await amend(scope, engine, parts, longer)


async def correct(
    scope: ReadScope,
    engine: AsyncEngine,
    asset: str,
    at: Instant,
    right: Tenure | None,
    *,
    reason: str,
    streams: Iterable[str] = (),
) -> tuple[StreamTenure, ...]:
    """Put what was entered wrongly right: the booking in force at a time was never made, or was `right`.

    It holds for all later reads at once, and whoever gains time finds in the ledger what had been served of it under
    the wrong entry. Errors as for `amend`.
    """

    def corrected(machine: Machine, timeline: Timeline) -> Timeline:
        return timelines.correct(timeline, at, machine.home_owner, right)

    parts = [Part(asset=asset, streams=frozenset(streams))]
    amendment = Amendment(
        kind=Kind.CORRECT,
        change=_held(at, corrected),
        to=None if right is None else right.owner,
        gives_back=right is None,
        reason=reason,
    )
    return await amend(scope, engine, parts, amendment)


def _held(at: Instant, change: Change) -> Change:
    """Leave alone what a tenant does not have then; on a whole timeline it is a conflict that nothing is booked."""

    def changed(machine: Machine, timeline: Timeline) -> Timeline:
        if machine.whole or any(at in tenure.interval for tenure in timeline):
            return change(machine, timeline)
        return timeline

    return changed
