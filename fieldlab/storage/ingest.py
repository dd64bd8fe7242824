"""What became of what sources handed over: the accounts, and what was refused, as far as the reader may know."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from psycopg.errors import DatatypeMismatch, NoDataFound, ObjectNotInPrerequisiteState
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.participant import Permission
from fieldlab.errors import Conflict, NotFound
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason
from fieldlab.storage.transaction import changing, reading

_ACCOUNTS: Final = text(
    """
    SELECT * FROM (
        SELECT day, coalesce(source, '') AS source, coalesce(asset, '') AS asset, coalesce(stream_name, '') AS stream,
               sum(received)::bigint AS received, sum(stored)::bigint AS stored, sum(duplicates)::bigint AS duplicates,
               sum(rejected)::bigint AS rejected, sum(waiting)::bigint AS waiting, min(oldest_waiting) AS oldest_waiting
        FROM visible.account
        WHERE (CAST(:since AS date) IS NULL OR day >= :since)
          AND (CAST(:of_source AS text) IS NULL OR source = :of_source)
          AND (CAST(:of_asset AS text) IS NULL OR asset = :of_asset)
        GROUP BY 1, 2, 3, 4) AS account
    WHERE CAST(:day AS date) IS NULL OR (day, source, asset, stream) > (:day, :source, :asset, :stream)
    ORDER BY day, source, asset, stream LIMIT :limit
    """
)
"""The accounts by day, source and stream."""

_EVERY_ACCOUNT: Final = text(
    """
    SELECT c.day, coalesce(s.slug, '') AS source, coalesce(a.slug, '') AS asset, coalesce(t.name, '') AS stream,
           sum(c.stored + c.duplicates + c.rejected + c.waiting)::bigint AS received, sum(c.stored)::bigint AS stored,
           sum(c.duplicates)::bigint AS duplicates, sum(c.rejected)::bigint AS rejected,
           sum(c.waiting)::bigint AS waiting, min(c.oldest) AS oldest_waiting
    FROM (
        SELECT source_id, stream_id, (to_timestamp(hour * 3600.0) AT TIME ZONE 'UTC')::date AS day, stored, duplicates,
               rejected, 0 AS waiting, CAST(NULL AS timestamptz) AS oldest
        FROM fieldlab.account
        UNION ALL
        SELECT e.source, e.stream, (to_timestamp(e.hour * 3600.0) AT TIME ZONE 'UTC')::date, e.stored, e.duplicates,
               e.rejected, 0, NULL
        FROM fieldlab.account_entry AS j, unnest(j.sources, j.streams, j.hours, j.stored, j.duplicates, j.rejected)
            AS e (source, stream, hour, stored, duplicates, rejected)
        UNION ALL
        SELECT source_id, 0, (reported_at AT TIME ZONE 'UTC')::date, 0, 0, 0, samples, oldest
        FROM fieldlab.waiting WHERE samples > 0) AS c
    LEFT JOIN fieldlab.source AS s ON s.id = c.source_id
    LEFT JOIN fieldlab.stream AS t ON t.id = c.stream_id
    LEFT JOIN fieldlab.asset AS a ON a.id = t.asset_id
    WHERE c.day >= :since
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    """
)
"""The accounts of everybody, for whoever runs the database."""

_REJECTS: Final = text(
    """
    SELECT r.*, s.asset, s.name AS stream_name
    FROM visible.reject AS r LEFT JOIN visible.stream AS s ON s.key = r.stream
    WHERE (CAST(:before AS bigint) IS NULL OR r.id < :before)
      AND (CAST(:source AS text) IS NULL OR r.source = :source)
      AND (CAST(:reason AS text) IS NULL OR r.reason = :reason)
    ORDER BY r.id DESC LIMIT :limit
    """
)
"""What was refused, newest first."""

_RELEASE: Final = text("SELECT visible.release_reject(:id)")
"""Stores the samples of a quarantined reject after all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Samples of one source and stream on one day: received = stored + duplicates + rejected + waiting.

    The day, in UTC, is that of measuring for what is stored or a duplicate, and of receipt for the rest. What waits,
    and what belongs to no stream, has no asset and stream.
    """

    day: date
    source: str | None
    asset: str | None
    stream: str | None
    received: int
    stored: int
    duplicates: int
    rejected: int
    waiting: int
    oldest_waiting: Instant | None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptReject:
    """Inputs that were refused together; `raw` is there for whoever owned the stream at their time."""

    id: int
    source: str
    address: str | None
    asset: str | None
    stream: str | None
    reason: Reason
    detail: str
    samples: int
    received_at: Instant
    time: Instant | None
    raw: bytes | None
    released_at: Instant | None


async def accounts(
    scope: ReadScope,
    engine: AsyncEngine,
    *,
    since: date | None = None,
    source: str | None = None,
    asset: str | None = None,
    after: tuple[date, str, str, str] | None = None,
    limit: int = 100,
) -> tuple[Account, ...]:
    """List accounts by day, source, asset and stream: all for whoever administers the lab, else of one's own data."""
    place = dict(zip(("day", "source", "asset", "stream"), after or (None, "", "", ""), strict=True))
    asked = {**place, "since": since, "of_source": source, "of_asset": asset, "limit": limit}
    async with reading(scope, engine) as bound:
        return tuple(_account(row) for row in await bound.connection.execute(_ACCOUNTS, asked))


def every_account(connection: Connection, *, since: date) -> tuple[Account, ...]:
    """List the accounts of all sources from a day on: for whoever runs the database, never for an answer."""
    return tuple(_account(row) for row in connection.execute(_EVERY_ACCOUNT, {"since": since}))


async def rejects(
    scope: ReadScope,
    engine: AsyncEngine,
    *,
    source: str | None = None,
    reason: Reason | None = None,
    before: int | None = None,
    limit: int = 100,
) -> tuple[KeptReject, ...]:
    """List what was refused, newest first, from before a number on."""
    asked = {"source": source, "reason": reason, "before": before, "limit": limit}
    async with reading(scope, engine) as bound:
        return tuple(_reject(row) for row in await bound.connection.execute(_REJECTS, asked))


async def release(scope: ReadScope, engine: AsyncEngine, reject: int) -> int:
    """Store the samples of a quarantined reject after all; gives how many of them were not stored yet.

    Raises Forbidden without lab:admin, NotFound where nothing is quarantined under that number, Conflict where its
    address is bound to no stream, or to one whose kind the samples do not fit.
    """
    scope.require(Permission.LAB_ADMIN)
    try:
        async with changing(scope, engine) as bound:
            stored: int = await bound.connection.scalar(_RELEASE, {"id": reject}) or 0
            return stored
    except DBAPIError as error:
        if isinstance(error.orig, NoDataFound):
            raise NotFound(f"There is no quarantined reject {reject}; GET /v1/rejects lists what there is.") from None
        if isinstance(error.orig, ObjectNotInPrerequisiteState):
            raise Conflict("No stream is bound to the address of this reject; bind it first.") from None
        if isinstance(error.orig, DatatypeMismatch):
            raise Conflict("These samples do not fit the kind of the stream that their address feeds.") from None
        raise


def _account(row: Row[Any]) -> Account:
    return Account(
        day=row.day,
        source=row.source or None,
        asset=row.asset or None,
        stream=row.stream or None,
        received=row.received,
        stored=row.stored,
        duplicates=row.duplicates,
        rejected=row.rejected,
        waiting=row.waiting,
        oldest_waiting=row.oldest_waiting,
    )


def _reject(row: Row[Any]) -> KeptReject:
    return KeptReject(
        id=row.id,
        source=row.source,
        address=row.address,
        asset=row.asset,
        stream=row.stream_name,
        reason=Reason(row.reason),
        detail=row.detail,
        samples=row.samples,
        received_at=row.received_at,
        time=row.time,
        raw=row.raw,
        released_at=row.released_at,
    )
