"""Following data as it arrives: one read for all who listen, in which the database gives each its own.

A `Moment` is what was committed at a time, sealed by the database. What lies between two moments is the same whenever
it is asked for: nothing is missed and nothing comes twice, whatever order the writing transactions ended in. Data that
comes late, measured long ago, lies there as well.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fieldlab.assets.asset import Stream
from fieldlab.ownership.access import Access
from fieldlab.ownership.agreement import Agreement
from fieldlab.ownership.decision import Right
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import Credential, ReadScope
from fieldlab.ownership.segment import BasisKind
from fieldlab.readings.instant import MINUTE, NEVER, Instant
from fieldlab.readings.origin import Origin, origin_of
from fieldlab.readings.status import shown
from fieldlab.storage import agreements, ledger
from fieldlab.storage.catalogue import wanted
from fieldlab.storage.columns import fetch
from fieldlab.storage.database import POSTGRES_EPOCH
from fieldlab.storage.selection import Wanted
from fieldlab.storage.transaction import Bound, adding, reached, reading

_MOMENT: Final = text("SELECT visible.moment() AS moment, now() AS at")
"""What is committed now, sealed, and the database's clock."""

_LISTENERS: Final = text("SELECT place, listener FROM visible.listeners(:presented)")
"""Which of the presented credentials are valid and may follow data."""

_RIGHTS: Final = text("SELECT * FROM visible.live_rights(:presented, :places, :streams, :since)")
"""The rights of all who listen, to decide on."""

_SAMPLES: Final = """
    SELECT listener, stream, tenure, agreement, time, value, text, status, origin
    FROM visible.live_samples(%(presented)s, %(places)s, %(streams)s, %(since)s, %(before)s, %(stream)s, %(time)s,
                              %(limit)s)
"""
"""What was stored between two moments, for each who listens and may see it."""

_REMEMBERS: Final = text("SELECT visible.remembers(:moment)")
"""Whether all that arrived since a moment is still known."""

_NEWEST: Final = text("SELECT stream, time FROM visible.newest_then(:streams, :moment)")
"""The newest readable time of streams as it was at a moment."""

_SNAPSHOT: Final = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_BEFORE_ALL: Final = -1

_LOOK_BACK: Final = 24 * 60 * MINUTE
"""How far back rights are read in any case, so that a segment whose end moved into the past is told with its end."""

Listener = int
"""Those with equal rights have one number within a turn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What was committed at a time of the database's clock; only the database can open it."""

    sealed: bytes
    at: Instant


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a listener is: all that was committed at `since` is given, and of what came until `until` all up to a row.

    Without `until` the listener stands between two steps.
    """

    since: Moment
    until: Moment | None = None
    stream: int = _BEFORE_ALL
    time: Instant = NEVER


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """To which streams, by their keys, whoever presents these credentials listens: all of one participant.

    Of those that are valid the first one asks.
    """

    credentials: tuple[Credential, ...]
    streams: frozenset[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveSample:
    """A sample that arrived, and on what ground it is given. `status` is the upper half of a StatusCode (0…65535)."""

    stream: int
    tenure: int
    agreement: UUID | None
    time: Instant
    value: float | str | None
    status: int
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One look at what arrived, decided anew for everybody.

    `listeners` has for each watch its listener, or None where all its credentials are void; `void` are all that are.
    `place` is where it ends; when `place.until` is there, more of the same step is to come.
    """

    decided_at: Instant
    place: Place
    listeners: tuple[Listener | None, ...]
    void: frozenset[Credential]
    rights: Mapping[Listener, Sequence[Right]]
    samples: Mapping[Listener, Sequence[LiveSample]]


async def streams_of(scope: ReadScope, engine: AsyncEngine, streams: Wanted) -> tuple[Stream, ...]:
    """Find the streams to follow; raises NotFound for a stream that is not there or hidden."""
    async with reading(scope, engine) as bound:
        return await wanted(bound, streams)


async def newest(
    scope: ReadScope, engine: AsyncEngine, streams: Iterable[int], since: Moment | None
) -> Mapping[int, Instant] | None:
    """Give the newest readable time of streams as it was at a moment, or is now; None if that is too long ago.

    As long as it is not, all that came since is still known.
    """
    async with reading(scope, engine) as bound:
        if since is not None and not await bound.connection.scalar(_REMEMBERS, {"moment": since.sealed}):
            return None
        then = since or await _moment(bound.connection)
        asked = {"streams": [*streams], "moment": then.sealed}
        return {row.stream: row.time for row in await bound.connection.execute(_NEWEST, asked)}


async def noted(scope: ReadScope, engine: AsyncEngine, access: Access) -> None:
    """Write into the ledger that somebody follows these segments; how many rows left is told when it ends."""
    async with adding(scope, engine) as bound:
        await ledger.note(bound, access)


async def signed(scope: ReadScope, engine: AsyncEngine, ids: Iterable[UUID]) -> Mapping[UUID, Agreement]:
    """Give those of the reader's agreements with these ids, with their states as they are now."""
    async with reading(scope, engine) as bound:
        return await agreements.of_ids(bound, ids)


async def moment(engine: AsyncEngine) -> Moment:
    """Give what is committed now."""
    async with _snapshot(engine) as connection:
        return await _moment(connection)


async def turn(watches: Sequence[Watch], engine: AsyncEngine, place: Place, *, limit: int) -> Turn:
    """Look at what arrived after a place, at most about so many rows of it, for all who watch, in one moment.

    Rows come by stream and time within a step; the rights are those to the streams from yesterday on, to where the
    rows lie, and all that agreements open. Each credential is checked; for those of one participant one of them asks.
    """
    presented = list(dict.fromkeys(credential for watch in watches for credential in watch.credentials))
    async with _snapshot(engine) as connection:
        now = await _moment(connection)
        until = place.until or now
        digests = {"presented": [credential.digest for credential in presented]}
        found = (await connection.execute(_LISTENERS, digests)).all()
        listeners, asked = _asking(watches, {presented[row.place - 1]: row.listener for row in found})
        window = {
            "since": place.since.sealed,
            "before": until.sealed,
            "stream": place.stream,
            "time": place.time,
            "limit": limit,
        }
        rows = await fetch(Bound(connection=connection, decided_at=now.at), _SAMPLES, asked | window)
        oldest = min((row[4] + POSTGRES_EPOCH for row in rows), default=now.at)
        since = Instant(min(oldest, now.at - _LOOK_BACK))
        held = (await connection.execute(_RIGHTS, asked | {"since": since})).all()
    rights: dict[Listener, list[Right]] = {}
    for row in held:
        rights.setdefault(row.listener, []).append(
            Right(
                stream=row.stream,
                interval=Interval(start=row.start, until=row.until),
                tenure=row.tenure,
                owner=row.owner,
                trial=row.trial,
                kind=BasisKind(row.basis),
                agreement=row.agreement,
            )
        )
    samples: dict[Listener, list[LiveSample]] = {}
    for listener, stream, tenure, agreement, time, value, words, status, origin in rows:
        samples.setdefault(listener, []).append(
            LiveSample(
                stream=stream,
                tenure=tenure,
                agreement=agreement,
                time=Instant(time + POSTGRES_EPOCH),
                value=value if words is None else words,
                status=shown(status),
                origin=origin_of(origin),
            )
        )
    if len(rows) < limit:
        reached_ = Place(since=until)
    else:
        reached_ = Place(since=place.since, until=until, stream=rows[-1][1], time=Instant(rows[-1][4] + POSTGRES_EPOCH))
    return Turn(
        decided_at=now.at,
        place=reached_,
        listeners=listeners,
        void=frozenset(presented) - {presented[row.place - 1] for row in found},
        rights=rights,
        samples=samples,
    )


def _asking(
    watches: Sequence[Watch], valid: Mapping[Credential, int]
) -> tuple[tuple[Listener | None, ...], dict[str, Any]]:
    """Choose for each participant the credential that asks; `valid` tells apart whose the valid ones are.

    Gives the listener of each watch, which is the place of that credential, and the parameters of the question.
    """
    places: dict[int, Listener] = {}
    asking: list[bytes] = []
    streams: dict[Listener, set[int]] = {}
    listeners: list[Listener | None] = []
    for watch in watches:
        one = next((credential for credential in watch.credentials if credential in valid), None)
        if one is not None and valid[one] not in places:
            asking.append(one.digest)
            places[valid[one]] = len(asking)
        listener = None if one is None else places[valid[one]]
        listeners.append(listener)
        if listener is not None:
            streams.setdefault(listener, set()).update(watch.streams)
    return tuple(listeners), {
        "presented": asking,
        "places": [listener for listener, watched in streams.items() for _ in watched],
        "streams": [stream for watched in streams.values() for stream in watched],
    }


async def _moment(connection: AsyncConnection) -> Moment:
    row = (await connection.execute(_MOMENT)).one()
    return Moment(sealed=bytes(row.moment), at=row.at)


@asynccontextmanager
async def _snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    with reached():
        async with engine.connect() as pooled:
            connection = await pooled.execution_options(**_SNAPSHOT)
            async with connection.begin():
                yield connection
