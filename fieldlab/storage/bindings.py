"""What the gateway knows of the catalogue: the sources, and which address feeds which stream."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.rows import dict_row

from fieldlab.assets.asset import Kind, Nature
from fieldlab.assets.source import Binding, Source, Wire
from fieldlab.errors import Unavailable
from fieldlab.readings.origin import Origin
from fieldlab.storage.connect import connect_async

# Names every configured connection to a wire.
_SOURCES: Final = "SELECT id, slug, wire, url, options FROM fieldlab.source ORDER BY id"

# Names every bound address, its stream's kind, and whether its machine is real.
_BINDINGS: Final = """
    SELECT b.source_id, b.address, b.stream_id, s.kind, a.nature, (extract(epoch FROM s.lateness) * 1e6)::bigint
    FROM fieldlab.binding AS b
    JOIN fieldlab.stream AS s ON s.id = b.stream_id
    JOIN fieldlab.asset AS a ON a.id = s.asset_id
"""

_ORIGINS: Final = {
    Nature.REAL: Origin.LIVE,
    Nature.SIMULATED: Origin.SIMULATED,
    Nature.REPLAY: Origin.REPLAY,
}
"""What the samples of a machine are, where they do not say of themselves that they are history."""

# Hears of every change to sources, bindings, and the kinds and natures that they depend on.
_LISTEN: Final = "LISTEN fieldlab_bindings"

# Lets no change fall between the two readings.
_SNAPSHOT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

_SETTLE: Final = 0.05
"""Seconds to wait for further changes after one, so that a long declaration is read once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """The sources by id, and for each its bindings by address."""

    sources: Mapping[int, Source]
    bindings: Mapping[int, Mapping[str, Binding]]


EMPTY: Final = Catalogue(sources={}, bindings={})


async def catalogues(url: str, *, recheck: float = 60.0) -> AsyncGenerator[Catalogue]:
    """Give the catalogue now and again after every change, until closed.

    It is read every `recheck` seconds too, should a message be missed. Raises Unavailable when the database goes
    away; whoever begins anew gets the catalogue of that moment first.
    """
    try:
        async with await connect_async(url, name="fieldlab gateway bindings") as connection:
            await connection.execute(_LISTEN)
            while True:
                yield await _read(connection)
                async for _ in connection.notifies(timeout=recheck, stop_after=1):
                    await asyncio.sleep(_SETTLE)
    except psycopg.Error as error:
        raise Unavailable(f"The bindings cannot be read: {error.diag.message_primary or error}") from error


async def _read(connection: psycopg.AsyncConnection) -> Catalogue:
    async with connection.transaction():
        await connection.execute(_SNAPSHOT)
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_SOURCES)
            sources = {row["id"]: Source(**{**row, "wire": Wire(row["wire"])}) async for row in cursor}
        bindings: dict[int, dict[str, Binding]] = {source: {} for source in sources}
        async with connection.cursor() as cursor:
            await cursor.execute(_BINDINGS)
            async for source, address, stream, kind, nature, lateness in cursor:
                bindings[source][address] = Binding(
                    address=address,
                    stream=stream,
                    kind=Kind(kind),
                    origin=_ORIGINS[Nature(nature)].value,
                    lateness=lateness,
                )
    return Catalogue(sources=sources, bindings=bindings)
