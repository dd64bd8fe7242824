"""Searching the catalogue: streams of which the reader may have something, with what, of whom and on what terms."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.ownership.entry import Entry, covered
from fieldlab.ownership.interval import ALWAYS
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage.catalogue import stream_of, with_extent
from fieldlab.storage.held import held
from fieldlab.storage.transaction import reading

_SEARCH: Final = text(
    """
    SELECT s.*, a.name AS asset_name, a.description AS about
    FROM visible.stream AS s JOIN visible.asset AS a ON a.slug = s.asset
    WHERE (CAST(:asset AS text) IS NULL OR s.asset = :asset)
      AND (CAST(:quantity AS text) IS NULL OR s.quantity = :quantity)
      AND (CAST(:unit AS text) IS NULL OR s.unit = :unit)
      AND NOT EXISTS (
          SELECT FROM unnest(CAST(:words AS text[])) AS word
          WHERE position(word IN lower(concat_ws(' ', s.asset || '.' || s.name, s.quantity, s.description,
                                                 s.semantic_id, a.name, a.description))) = 0)
      AND (s.asset, s.name) > (:after_asset, :after_name)
      AND EXISTS (SELECT FROM visible.segments(ARRAY[s.key], '-infinity', 'infinity'))
    ORDER BY s.asset, s.name LIMIT :limit
    """
)
"""Streams with all of the words in them, of which the reader may see some stretch."""


async def entries(
    scope: ReadScope,
    engine: AsyncEngine,
    *,
    asset: str | None = None,
    quantity: str | None = None,
    unit: str | None = None,
    words: Sequence[str] = (),
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
) -> tuple[Entry, ...]:
    """List what may be had, by asset and name of the stream, from after a pair of these on.

    Each of `words` must stand somewhere in the reference, the quantity or the descriptions. What the reader may see
    nothing of has no entry, and what others own of a stream is in none.
    """
    asked = {
        "asset": asset,
        "quantity": quantity,
        "unit": unit,
        "words": [word.lower() for word in words],
        "after_asset": after[0],
        "after_name": after[1],
        "limit": limit,
    }
    async with reading(scope, engine) as bound:
        found = (await bound.connection.execute(_SEARCH, asked)).all()
        streams = await with_extent(bound, [stream_of(row) for row in found])
        rights, agreements = await held(bound, [stream.key for stream in streams], ALWAYS)
    coverage = covered(rights, agreements)
    return tuple(
        Entry(stream=stream, asset_name=row.asset_name, about=row.about, coverage=coverage[stream.key])
        for stream, row in zip(streams, found, strict=True)
        if stream.key in coverage
    )
