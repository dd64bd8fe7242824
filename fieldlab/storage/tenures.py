"""Tenures: listing them, and the operations that change them, each one serialisable transaction."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.participant import Permission
from fieldlab.errors import Conflict, NotFound, TenureConflict
from fieldlab.ownership import tenure as timelines
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.tenure import Tenure, Timeline
from fieldlab.readings.instant import Instant
from fieldlab.storage.transaction import Bound, changing, reading

_LIST: Final = text(
    """
    SELECT * FROM visible.tenure
    WHERE (CAST(:asset AS text) IS NULL OR asset = :asset) AND (asset, stream_name, start) > (:asset_, :name, :start)
    ORDER BY asset, stream_name, start LIMIT :limit
    """
)
"""Tenures that concern the reader, by asset, stream and time."""

_OF_ASSET: Final = text("SELECT * FROM visible.tenure WHERE asset = :asset ORDER BY stream, start")
"""All tenures of an asset, for whoever administers the lab."""

_HOME_OWNER: Final = text("SELECT home_owner FROM visible.asset WHERE slug = :asset")
"""To whom an asset belongs when nobody has booked it."""

_PARTICIPANT: Final = text("SELECT slug FROM visible.participant WHERE slug = :slug")
"""Whether a participant is in the lab."""

_AMEND: Final = text("SELECT visible.amend_tenures(:asset, :kind, CAST(:removed AS bigint[]), CAST(:added AS jsonb))")
"""Replaces tenures of an asset and appends the event."""

_TRIES: Final = 5
_RACED: Final = {"40001", "40P01"}
_BOOKED: Final = "23P01"
_TAKEN: Final = "23505"
_OF_A_REPLAY: Final = "tenure_of_a_replay"


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamTenure:
    """A tenure of one stream, as listed."""

    asset: str
    stream: str
    tenure: Tenure


async def listed(
    scope: ReadScope,
    engine: AsyncEngine,
    *,
    asset: str | None = None,
    after: tuple[str, str, Instant] | None = None,
    limit: int = 100,
) -> tuple[StreamTenure, ...]:
    """List the tenures that concern the reader: its own, or all for whoever administers the lab."""
    asset_, name, start = after or ("", "", None)
    asked = {"asset": asset, "asset_": asset_, "name": name, "start": start or "-infinity", "limit": limit}
    async with reading(scope, engine) as bound:
        found = await bound.connection.execute(_LIST, asked)
        return tuple(StreamTenure(asset=row.asset, stream=row.stream_name, tenure=_tenure(row)) for row in found)


async def hand_over(scope: ReadScope, engine: AsyncEngine, asset: str, booking: Tenure) -> tuple[StreamTenure, ...]:
    """Enter a booking of the whole asset, and list its streams' tenures.

    Raises Forbidden without lab:admin, NotFound for an unknown asset or participant, TenureConflict where it is booked.
    """

    async def entered(bound: Bound, timeline: Timeline) -> Timeline:
        if (await bound.connection.scalar(_PARTICIPANT, {"slug": booking.owner})) is None:
            raise NotFound(f"There is no participant {booking.owner!r}; GET /v1/participants lists them.")
        return timelines.hand_over(timeline, booking)

    return await _amend(scope, engine, asset, "hand_over", entered)


async def return_early(scope: ReadScope, engine: AsyncEngine, asset: str, at: Instant) -> tuple[StreamTenure, ...]:
    """End the booking in force at a time there, and list the streams' tenures; errors as for `hand_over`."""

    async def ended(bound: Bound, timeline: Timeline) -> Timeline:
        home_owner: str = await bound.connection.scalar(_HOME_OWNER, {"asset": asset}) or ""
        return timelines.return_early(timeline, at, home_owner)

    return await _amend(scope, engine, asset, "return", ended)


async def _amend(
    scope: ReadScope, engine: AsyncEngine, asset: str, kind: str, change: Callable[[Bound, Timeline], Any]
) -> tuple[StreamTenure, ...]:
    scope.require(Permission.LAB_ADMIN)
    for _ in range(_TRIES):
        try:
            async with changing(scope, engine) as bound:
                return await _amended(bound, asset, kind, change)
        except DBAPIError as error:
            sqlstate = getattr(error.orig, "sqlstate", None)
            if sqlstate == _BOOKED:
                raise TenureConflict("The asset is booked for some of that time; choose another time.") from None
            if sqlstate == _TAKEN:
                raise Conflict("That trial belongs to another participant; choose another name.") from None
            if getattr(getattr(error.orig, "diag", None), "constraint_name", None) == _OF_A_REPLAY:
                raise Conflict(
                    "The asset is a recording: what it plays stays its owner's. Ask the owner for an agreement instead."
                ) from None
            if sqlstate not in _RACED:
                raise
    raise Conflict("The tenures of this asset are being changed by others at this moment; try again.")


async def _amended(
    bound: Bound, asset: str, kind: str, change: Callable[[Bound, Timeline], Any]
) -> tuple[StreamTenure, ...]:
    found = (await bound.connection.execute(_OF_ASSET, {"asset": asset})).all()
    if not found:
        raise NotFound(f"There is no asset {asset!r} with streams; GET /v1/assets lists those you can see.")
    removed: list[int] = []
    added: list[dict[str, object]] = []
    result: list[StreamTenure] = []
    for stream, rows in groupby(found, key=lambda row: (row.stream, row.stream_name)):
        before = {_tenure(row): row.id for row in rows}
        after: Timeline = await change(bound, tuple(before))
        timelines.check(after)
        removed.extend(id_ for tenure, id_ in before.items() if tenure not in after)
        added.extend(_written(stream[0], tenure) for tenure in after if tenure not in before)
        result.extend(StreamTenure(asset=asset, stream=stream[1], tenure=tenure) for tenure in after)
    await bound.connection.execute(
        _AMEND, {"asset": asset, "kind": kind, "removed": removed, "added": json.dumps(added)}
    )
    return tuple(result)


def _tenure(row: Row[Any]) -> Tenure:
    return Tenure(
        owner=row.owner, trial=row.trial, booked=row.booked, interval=Interval(start=row.start, until=row.until)
    )


def _written(stream: int, tenure: Tenure) -> dict[str, object]:
    return {
        "stream": stream,
        "owner": tenure.owner,
        "trial": tenure.trial,
        "start": str(tenure.interval.start),
        "until": str(tenure.interval.until),
        "booked": tenure.booked,
    }
