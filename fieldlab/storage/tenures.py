"""Tenures: listing them, and the operations that change them, each one serialisable transaction."""

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
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
from fieldlab.readings.instant import FOREVER, NEVER, Instant
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

_AMEND: Final = text(
    "SELECT visible.amend_tenures(:asset, :kind, CAST(:removed AS bigint[]), CAST(:added AS jsonb), :reason)"
)
"""Replaces tenures of an asset and appends the event."""

_OF_TRIAL: Final = text(
    "SELECT asset, array_agg(DISTINCT stream_name) AS streams FROM visible.tenure WHERE trial = :trial GROUP BY asset"
)
"""The assets that a trial has booked, and which of their streams."""

_EVENTS: Final = text("SELECT * FROM visible.tenure_events(:asset, :before, :limit)")
"""What changed in an asset's tenures, newest first."""

_TRIES: Final = 5
_ALL: Final = 2**63 - 1
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What an operation is about: an asset, and which of its streams; all of them where none is named."""

    asset: str
    streams: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class TenureEvent:
    """A change of an asset's tenures; who and why are None for whoever does not administer the lab."""

    id: int
    at: Instant
    kind: str
    principal: str | None
    reason: str | None
    removed: tuple[StreamTenure, ...]
    added: tuple[StreamTenure, ...]


async def hand_over(
    scope: ReadScope, engine: AsyncEngine, asset: str, booking: Tenure, *, streams: Iterable[str] = ()
) -> tuple[StreamTenure, ...]:
    """Enter a booking of an asset, or of some of its streams, and list these streams' tenures.

    Raises Forbidden without lab:admin, NotFound for an unknown asset, stream or participant, TenureConflict where it
    is booked.
    """
    return await book(scope, engine, [Part(asset=asset, streams=frozenset(streams))], booking)


async def book(
    scope: ReadScope, engine: AsyncEngine, parts: Sequence[Part], booking: Tenure
) -> tuple[StreamTenure, ...]:
    """Enter a booking of several assets or streams in one transaction: all of it or nothing; as `hand_over`."""

    async def entered(bound: Bound, timeline: Timeline) -> Timeline:
        await _known(bound, booking.owner)
        return timelines.hand_over(timeline, booking)

    return await _amend(scope, engine, parts, "hand_over", entered)


async def return_early(
    scope: ReadScope, engine: AsyncEngine, asset: str, at: Instant, *, streams: Iterable[str] = ()
) -> tuple[StreamTenure, ...]:
    """End the booking in force at a time there, and list the streams' tenures; errors as for `hand_over`."""

    async def ended(bound: Bound, timeline: Timeline) -> Timeline:
        return timelines.return_early(timeline, at, await _home_owner(bound, asset))

    return await _amend(scope, engine, [Part(asset=asset, streams=frozenset(streams))], "return", ended)


async def extend(
    scope: ReadScope, engine: AsyncEngine, asset: str, at: Instant, until: Instant, *, streams: Iterable[str] = ()
) -> tuple[StreamTenure, ...]:
    """Let the booking in force at a time last longer, and list the streams' tenures; errors as for `hand_over`."""

    async def extended(_bound: Bound, timeline: Timeline) -> Timeline:
        return timelines.extend(timeline, at, until)

    return await _amend(scope, engine, [Part(asset=asset, streams=frozenset(streams))], "extend", extended)


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
    the wrong entry. Errors as for `hand_over`.
    """

    async def corrected(bound: Bound, timeline: Timeline) -> Timeline:
        if right is not None:
            await _known(bound, right.owner)
        return timelines.correct(timeline, at, await _home_owner(bound, asset), right)

    parts = [Part(asset=asset, streams=frozenset(streams))]
    return await _amend(scope, engine, parts, "correct", corrected, reason=reason)


async def extend_trial(scope: ReadScope, engine: AsyncEngine, trial: str, until: Instant) -> tuple[StreamTenure, ...]:
    """Let the last bookings of a trial last longer, on all that it has; all of it or nothing.

    Raises Forbidden without lab:admin, NotFound for an unknown trial, TenureConflict where that time is booked.
    """

    async def extended(_bound: Bound, timeline: Timeline) -> Timeline:
        last = max((one.interval.start for one in timeline if one.trial == trial), default=None)
        return timeline if last is None else timelines.extend(timeline, last, until)

    return await _amend(scope, engine, await _of_trial(scope, engine, trial), "extend", extended)


async def return_trial(scope: ReadScope, engine: AsyncEngine, trial: str, at: Instant) -> tuple[StreamTenure, ...]:
    """End a trial's bookings that are in force at a time, on all that it has; all of it or nothing.

    Raises Forbidden without lab:admin, NotFound for an unknown trial, TenureConflict if none is.
    """
    parts = await _of_trial(scope, engine, trial)
    found = False

    async def ended(bound: Bound, timeline: Timeline) -> Timeline:
        nonlocal found
        if not any(one.trial == trial and at in one.interval and one.interval.start < at for one in timeline):
            return timeline
        found = True
        home = next((one.owner for one in timeline if not one.booked), None)
        return timelines.return_early(timeline, at, home or await _home_owner(bound, parts[0].asset))

    changed = await _amend(scope, engine, parts, "return", ended)
    if not found:
        raise TenureConflict("The trial has booked nothing that could be returned at that time.")
    return changed


async def events(
    scope: ReadScope, engine: AsyncEngine, asset: str, *, before: int | None = None, limit: int = 100
) -> tuple[TenureEvent, ...]:
    """Tell what changed in an asset's tenures, newest first: the reader's own part of it, or all with lab:admin."""
    asked = {"asset": asset, "before": _ALL if before is None else before, "limit": limit}
    async with reading(scope, engine) as bound:
        return tuple(
            TenureEvent(
                id=row.id,
                at=row.at,
                kind=row.kind,
                principal=row.principal,
                reason=row.reason,
                removed=_told(asset, row.removed),
                added=_told(asset, row.added),
            )
            for row in await bound.connection.execute(_EVENTS, asked)
        )


Change = Callable[[Bound, Timeline], Awaitable[Timeline]]
"""What an operation makes of a stream's timeline."""


async def _known(bound: Bound, participant: str) -> None:
    if (await bound.connection.scalar(_PARTICIPANT, {"slug": participant})) is None:
        raise NotFound(f"There is no participant {participant!r}; GET /v1/participants lists them.")


async def _home_owner(bound: Bound, asset: str) -> str:
    return await bound.connection.scalar(_HOME_OWNER, {"asset": asset}) or ""


async def _of_trial(scope: ReadScope, engine: AsyncEngine, trial: str) -> tuple[Part, ...]:
    scope.require(Permission.LAB_ADMIN)
    async with reading(scope, engine) as bound:
        found = (await bound.connection.execute(_OF_TRIAL, {"trial": trial})).all()
    if not found:
        raise NotFound(f"There is no trial {trial!r}; GET /v1/trials lists those you can see.")
    return tuple(Part(asset=row.asset, streams=frozenset(row.streams)) for row in found)


async def _amend(
    scope: ReadScope, engine: AsyncEngine, parts: Sequence[Part], kind: str, change: Change, *, reason: str = ""
) -> tuple[StreamTenure, ...]:
    scope.require(Permission.LAB_ADMIN)
    for _ in range(_TRIES):
        try:
            async with changing(scope, engine) as bound:
                changed = [await _amended(bound, part, kind, change, reason) for part in parts]
            return tuple(entry for one in changed for entry in one)
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


async def _amended(bound: Bound, part: Part, kind: str, change: Change, reason: str) -> list[StreamTenure]:
    asset = part.asset
    found = (await bound.connection.execute(_OF_ASSET, {"asset": asset})).all()
    if not found:
        raise NotFound(f"There is no asset {asset!r} with streams; GET /v1/assets lists those you can see.")
    missing = sorted(part.streams - {row.stream_name for row in found})
    if missing:
        raise NotFound(f"There is no stream '{asset}.{missing[0]}'; GET /v1/streams lists those you can see.")
    wanted = [row for row in found if not part.streams or row.stream_name in part.streams]
    removed: list[int] = []
    added: list[dict[str, object]] = []
    result: list[StreamTenure] = []
    for stream, rows in groupby(wanted, key=lambda row: (row.stream, row.stream_name)):
        before = {_tenure(row): row.id for row in rows}
        after = await change(bound, tuple(before))
        timelines.check(after)
        removed.extend(id_ for tenure, id_ in before.items() if tenure not in after)
        added.extend(_written(stream[0], tenure) for tenure in after if tenure not in before)
        result.extend(StreamTenure(asset=asset, stream=stream[1], tenure=tenure) for tenure in after)
    if added:
        asked = {"asset": asset, "kind": kind, "removed": removed, "added": json.dumps(added), "reason": reason}
        await bound.connection.execute(_AMEND, asked)
    return result


def _told(asset: str, tenures: Iterable[dict[str, Any]]) -> tuple[StreamTenure, ...]:
    return tuple(
        StreamTenure(
            asset=asset,
            stream=one["stream"],
            tenure=Tenure(
                owner=one["owner"],
                trial=one["trial"],
                booked=one["booked"],
                interval=Interval(start=_moment(one["from"]), until=_moment(one["until"])),
            ),
        )
        for one in tenures
    )


def _moment(text_: str) -> Instant:
    return {"infinity": FOREVER, "-infinity": NEVER}.get(text_) or Instant.parse(text_)


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
