"""Reading the catalogue: participants, assets and streams, as far as the reader may know of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.asset import Asset, Kind, Nature, Stream
from fieldlab.assets.name import split_reference
from fieldlab.assets.participant import Participant, Role
from fieldlab.errors import NotFound
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage.selection import StreamsOf, StreamsOfTrial, Wanted
from fieldlab.storage.transaction import Bound, reading

_PARTICIPANTS: Final = text(
    """
    SELECT slug, name, role FROM visible.participant
    WHERE (CAST(:slug AS text) IS NULL OR slug = :slug) AND slug > :after ORDER BY slug LIMIT :limit
    """
)
"""Who is in the lab."""

_ASSETS: Final = text(
    """
    SELECT slug, name, home_owner, nature, place, description FROM visible.asset
    WHERE (CAST(:slug AS text) IS NULL OR slug = :slug) AND slug > :after ORDER BY slug LIMIT :limit
    """
)
"""Machines that concern the reader."""

_STREAMS: Final = text(
    """
    SELECT * FROM visible.stream
    WHERE (CAST(:asset AS text) IS NULL OR asset = :asset)
      AND (CAST(:quantity AS text) IS NULL OR quantity = :quantity)
      AND (CAST(:unit AS text) IS NULL OR unit = :unit)
      AND (CAST(:words AS text) IS NULL
           OR position(lower(:words) IN lower(asset || '.' || name || ' ' || quantity || ' ' || description)) > 0)
      AND (asset, name) > (:after_asset, :after_name)
    ORDER BY asset, name LIMIT :limit
    """
)
"""Streams that concern the reader, filtered."""

_RESOLVE: Final = text(
    "SELECT * FROM visible.streams(CAST(:ids AS uuid[]), CAST(:assets AS text[]), CAST(:names AS text[]))"
)
"""Streams by id or by reference."""

_OF_ASSET: Final = text(
    """
    SELECT s.* FROM visible.asset AS a LEFT JOIN visible.stream AS s ON s.asset = a.slug
    WHERE a.slug = :asset ORDER BY s.name
    """
)
"""All streams of an asset, by name; one row without a stream for an asset that has none."""

_OF_TRIAL: Final = text("SELECT id FROM visible.trial_streams(:trial)")
"""The streams of a trial of which the reader may have anything."""

_EXTENT: Final = text("SELECT * FROM visible.extent(:streams)")
"""First and last readable time of streams, and their rate."""


async def participants(
    scope: ReadScope, engine: AsyncEngine, *, slug: str | None = None, after: str = "", limit: int = 100
) -> tuple[Participant, ...]:
    """List participants by slug, from after a slug on; with `slug` that one alone."""
    async with reading(scope, engine) as bound:
        found = await bound.connection.execute(_PARTICIPANTS, {"slug": slug, "after": after, "limit": limit})
        return tuple(Participant(slug=row.slug, name=row.name, role=Role(row.role)) for row in found)


async def assets(
    scope: ReadScope, engine: AsyncEngine, *, slug: str | None = None, after: str = "", limit: int = 100
) -> tuple[Asset, ...]:
    """List assets by slug, from after a slug on; with `slug` that one alone."""
    async with reading(scope, engine) as bound:
        found = await bound.connection.execute(_ASSETS, {"slug": slug, "after": after, "limit": limit})
        return tuple(
            Asset(
                slug=row.slug,
                name=row.name,
                home_owner=row.home_owner,
                nature=Nature(row.nature),
                place=row.place,
                description=row.description,
            )
            for row in found
        )


async def streams(
    scope: ReadScope,
    engine: AsyncEngine,
    *,
    asset: str | None = None,
    quantity: str | None = None,
    unit: str | None = None,
    words: str | None = None,
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
) -> tuple[Stream, ...]:
    """List streams by asset and name, from after a pair of these on, with first and last readable time and rate."""
    asked = {
        "asset": asset,
        "quantity": quantity,
        "unit": unit,
        "words": words,
        "after_asset": after[0],
        "after_name": after[1],
        "limit": limit,
    }
    async with reading(scope, engine) as bound:
        found = (await bound.connection.execute(_STREAMS, asked)).all()
        return await with_extent(bound, [stream_of(row) for row in found])


async def stream(scope: ReadScope, engine: AsyncEngine, reference: str) -> Stream:
    """Give one stream by id or reference; raises NotFound for one that is not there or hidden."""
    async with reading(scope, engine) as bound:
        (found,) = await with_extent(bound, await resolve(bound, [reference]))
        return found


async def resolve(bound: Bound, references: Sequence[str]) -> tuple[Stream, ...]:
    """Find streams by id or reference within a bound transaction, in the order asked, each once.

    Raises NotFound, naming the reference, for one that is not there or hidden.
    """
    pairs = [pair for pair in map(split_reference, references) if pair]
    ids = [id_ for id_ in map(_uuid, references) if id_]
    asked = {"ids": ids, "assets": [pair[0] for pair in pairs], "names": [pair[1] for pair in pairs]}
    known: dict[str, Stream] = {}
    for row in await bound.connection.execute(_RESOLVE, asked):
        found = stream_of(row)
        known[str(found.id)] = known[found.reference] = found
    chosen: dict[int, Stream] = {}
    for reference in references:
        match = known.get(str(_uuid(reference) or reference))
        if match is None:
            raise NotFound(f"There is no stream {reference!r}; GET /v1/streams lists those you can see.")
        chosen[match.key] = match
    return tuple(chosen.values())


async def wanted(bound: Bound, streams: Wanted) -> tuple[Stream, ...]:
    """Find the streams that a selection asks for; raises NotFound for a stream or asset that is not there or hidden."""
    if isinstance(streams, StreamsOfTrial):
        found = await bound.connection.execute(_OF_TRIAL, {"trial": streams.trial})
        return await resolve(bound, [str(row.id) for row in found])
    if not isinstance(streams, StreamsOf):
        return await resolve(bound, streams)
    rows = (await bound.connection.execute(_OF_ASSET, {"asset": streams.asset})).all()
    if not rows:
        raise NotFound(f"There is no asset {streams.asset!r}; GET /v1/assets lists those you can see.")
    return tuple(stream_of(row) for row in rows if row.key is not None)


async def with_extent(bound: Bound, found: Sequence[Stream]) -> tuple[Stream, ...]:
    """Give streams with their first and last readable time and their rate, within a bound transaction."""
    extents = await bound.connection.execute(_EXTENT, {"streams": [stream.key for stream in found]})
    known = {row.stream: {"first": row.first, "last": row.last, "rate": row.rate} for row in extents}
    return tuple(replace(stream, **known.get(stream.key, {})) for stream in found)


def stream_of(row: Row[Any]) -> Stream:
    """Read a stream from a row of `visible.stream`."""
    return Stream(
        key=row.key,
        id=row.id,
        asset=row.asset,
        name=row.name,
        kind=Kind(row.kind),
        unit=row.unit,
        quantity=row.quantity,
        description=row.description,
        nature=Nature(row.nature),
        semantic_id=row.semantic_id,
    )


def _uuid(text_: str) -> UUID | None:
    try:
        return UUID(text_)
    except ValueError:
        return None
