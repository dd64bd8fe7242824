"""The bookings of a trial as one, over several machines: all of it is changed, or nothing."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.errors import NotFound
from fieldlab.ownership import tenure as timelines
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.tenure import Tenure, Timeline
from fieldlab.readings.instant import Instant
from fieldlab.storage.amendment import Amendment, Kind, Machine, Part, amend, may_amend
from fieldlab.storage.hand_overs import entering
from fieldlab.storage.tenures import StreamTenure
from fieldlab.storage.transaction import reading

_OF_TRIAL: Final = text(
    "SELECT asset, array_agg(DISTINCT stream_name) AS streams FROM visible.tenure WHERE trial = :trial GROUP BY asset"
)
"""The assets that a trial has booked, and which of their streams, as far as they concern the caller."""


async def book(
    scope: ReadScope, engine: AsyncEngine, parts: Sequence[Part], booking: Tenure
) -> tuple[StreamTenure, ...]:
    """Enter a booking of several assets or streams in one transaction: all of it or nothing; errors as for `amend`."""
    return await amend(scope, engine, parts, entering(booking))


async def extend(scope: ReadScope, engine: AsyncEngine, trial: str, until: Instant) -> tuple[StreamTenure, ...]:
    """Let the last bookings of a trial last longer, on all that it has; all of it or nothing.

    Raises NotFound for a trial that is not there or hidden; else as for `amend`.
    """

    def extended(_: Machine, timeline: Timeline) -> Timeline:
        last = max((one.interval.start for one in timeline if one.trial == trial), default=None)
        return timeline if last is None else timelines.extend(timeline, last, until)

    return await amend(scope, engine, await _parts(scope, engine, trial), Amendment(kind=Kind.EXTEND, change=extended))


async def return_early(scope: ReadScope, engine: AsyncEngine, trial: str, at: Instant) -> tuple[StreamTenure, ...]:
    """End a trial's bookings that are in force at a time, on all that it has; all of it or nothing.

    Raises NotFound for a trial that is not there or hidden, TenureConflict if none is in force; else as for `amend`.
    """

    def ended(machine: Machine, timeline: Timeline) -> Timeline:
        if any(one.trial == trial and at in one.interval and one.interval.start < at for one in timeline):
            return timelines.return_early(timeline, at, machine.home_owner)
        return timeline

    amendment = Amendment(kind=Kind.RETURN, change=ended, gives_back=True)
    return await amend(scope, engine, await _parts(scope, engine, trial), amendment)


async def _parts(scope: ReadScope, engine: AsyncEngine, trial: str) -> tuple[Part, ...]:
    may_amend(scope)
    async with reading(scope, engine) as bound:
        found = (await bound.connection.execute(_OF_TRIAL, {"trial": trial})).all()
    if not found:
        raise NotFound(f"There is no trial {trial!r}; GET /v1/trials lists those you can see.")
    return tuple(Part(asset=row.asset, streams=frozenset(row.streams)) for row in found)
