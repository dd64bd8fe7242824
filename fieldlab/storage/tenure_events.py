"""The history of tenures: what changed on a machine, which nobody can edit."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.tenure import Tenure
from fieldlab.readings.instant import Instant
from fieldlab.storage.tenures import StreamTenure, moment
from fieldlab.storage.transaction import reading

_EVENTS: Final = text("SELECT * FROM visible.tenure_events(:asset, :before, :limit)")
"""What changed in an asset's tenures, newest first."""

_ALL: Final = 2**63 - 1


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


async def events(
    scope: ReadScope, engine: AsyncEngine, asset: str, *, before: int | None = None, limit: int = 100
) -> tuple[TenureEvent, ...]:
    """Tell what changed in an asset's tenures, newest first: the reader's own part of it.

    All of it for the home owner with tenures:write, and with lab:admin.
    """
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


def _told(asset: str, tenures: Iterable[dict[str, Any]]) -> tuple[StreamTenure, ...]:
    return tuple(
        StreamTenure(
            asset=asset,
            stream=one["stream"],
            tenure=Tenure(
                owner=one["owner"],
                trial=one["trial"],
                booked=one["booked"],
                interval=Interval(start=moment(one["from"]), until=moment(one["until"])),
            ),
        )
        for one in tenures
    )
