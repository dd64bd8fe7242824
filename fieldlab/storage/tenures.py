"""Tenures as they are listed: who owns what a stream produces, and when."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.tenure import Tenure
from fieldlab.readings.instant import FOREVER, NEVER, Instant
from fieldlab.storage.transaction import reading

_LIST: Final = text(
    """
    SELECT * FROM visible.tenure
    WHERE (CAST(:asset AS text) IS NULL OR asset = :asset) AND (asset, stream_name, start) > (:asset_, :name, :start)
    ORDER BY asset, stream_name, start LIMIT :limit
    """
)
"""Tenures that concern the reader, by asset, stream and time."""


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
    """List the tenures that concern the reader.

    Those are its own; with tenures:write all of its machines as well; all there are for whoever administers the lab.
    """
    asset_, name, start = after or ("", "", None)
    asked = {"asset": asset, "asset_": asset_, "name": name, "start": start or "-infinity", "limit": limit}
    async with reading(scope, engine) as bound:
        found = await bound.connection.execute(_LIST, asked)
        return tuple(StreamTenure(asset=row.asset, stream=row.stream_name, tenure=tenure_of(row)) for row in found)


def tenure_of(row: Row[Any]) -> Tenure:
    """Read a tenure with its owner and trial by slug."""
    interval = Interval(start=row.start, until=row.until)
    return Tenure(owner=row.owner, trial=row.trial, booked=row.booked, interval=interval)


def written(stream: int, tenure: Tenure) -> dict[str, object]:
    """Write a stream's tenure as the functions that amend tenures take it."""
    return {
        "stream": stream,
        "owner": tenure.owner,
        "trial": tenure.trial,
        "start": str(tenure.interval.start),
        "until": str(tenure.interval.until),
        "booked": tenure.booked,
    }


def moment(text_: str) -> Instant:
    """Read a bound of a tenure as the history keeps it."""
    return {"infinity": FOREVER, "-infinity": NEVER}.get(text_) or Instant.parse(text_)
