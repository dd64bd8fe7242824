"""Addresses that were seen and that no stream is bound to, for whoever administers the lab."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.asset import Kind
from fieldlab.assets.participant import Permission
from fieldlab.errors import NotFound
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.instant import Instant
from fieldlab.storage.transaction import reading

_SEEN: Final = text(
    """
    SELECT * FROM visible.discovery
    WHERE (CAST(:of_source AS text) IS NULL OR source = :of_source) AND (source, address) > (:source, :address)
    ORDER BY source, address LIMIT :limit
    """
)
"""The discoveries by source and address, for whoever administers the lab."""

_EVERY: Final = text(
    """
    SELECT s.slug AS source, d.address, d.kind, d.unit, d.quantity, d.description, d.semantic_id, d.low, d.high,
           d.value, d.text, d.samples,
           CASE WHEN d.samples > 1 THEN (d.samples - 1)
                / nullif(extract(epoch FROM d.last_seen - d.first_seen), 0)::double precision END AS per_second,
           d.first_seen, d.last_seen
    FROM fieldlab.discovery AS d JOIN fieldlab.source AS s ON s.id = d.source_id
    WHERE (CAST(:of_source AS text) IS NULL OR s.slug = :of_source)
      AND NOT EXISTS (SELECT FROM fieldlab.binding AS b WHERE b.source_id = d.source_id AND b.address = d.address)
    ORDER BY s.slug, d.address LIMIT :limit
    """
)
"""The discoveries by source and address."""

_NAMES: Final = text("SELECT slug FROM fieldlab.source ORDER BY slug")
"""The names of all sources."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """An address as it was last seen, and what its source says of it, as far as it does.

    `per_second` is None until it was seen at two times, `samples` 0 for what was only announced.
    """

    source: str
    address: str
    kind: Kind
    unit: str | None
    value: float | str | None
    samples: int
    per_second: float | None
    first_seen: Instant
    last_seen: Instant
    quantity: str | None = None
    description: str | None = None
    semantic_id: str | None = None
    low: float | None = None
    high: float | None = None


async def seen(
    scope: ReadScope,
    engine: AsyncEngine,
    *,
    source: str | None = None,
    after: tuple[str, str] | None = None,
    limit: int = 100,
) -> tuple[Discovery, ...]:
    """List the discoveries of one source, or of all, by source and address; raises Forbidden without lab:admin."""
    scope.require(Permission.LAB_ADMIN)
    place = dict(zip(("source", "address"), after or ("", ""), strict=True))
    async with reading(scope, engine) as bound:
        found = await bound.connection.execute(_SEEN, {**place, "of_source": source, "limit": limit})
        return tuple(_discovery(row) for row in found)


def every_discovery(connection: Connection, *, source: str | None = None, limit: int | None = 1000) -> list[Discovery]:
    """List the discoveries of one source, or of all: for whoever runs the database, never for an answer.

    Raises NotFound for a source that is not there.
    """
    if source is not None and source not in (known := list(connection.scalars(_NAMES))):
        raise NotFound(f"There is no source {source!r}; there is: {', '.join(known) or 'none yet'}.")
    return [_discovery(row) for row in connection.execute(_EVERY, {"of_source": source, "limit": limit})]


def _discovery(row: Row[Any]) -> Discovery:
    return Discovery(
        source=row.source,
        address=row.address,
        kind=Kind(row.kind),
        unit=row.unit,
        value=row.text if row.value is None else row.value,
        samples=row.samples,
        per_second=row.per_second,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        quantity=row.quantity,
        description=row.description,
        semantic_id=row.semantic_id,
        low=row.low,
        high=row.high,
    )
