"""Fetching many rows fast: in PostgreSQL's binary format, times as integers, without a Python object per row."""

from collections.abc import Mapping
from typing import Any, Final, LiteralString, cast

import numpy as np
from psycopg import AsyncConnection, adapters
from psycopg.pq import Format

from fieldlab.storage.database import POSTGRES_EPOCH
from fieldlab.storage.selection import Int64
from fieldlab.storage.transaction import Bound

_INT8: Final = 20


async def fetch(bound: Bound, statement: LiteralString, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """Run a statement with `%(name)s` parameters; timestamptz comes back as PostgreSQL counts it, see `instants`."""
    pooled = await bound.connection.get_raw_connection()
    connection = cast("AsyncConnection[tuple[Any, ...]]", pooled.driver_connection)
    async with connection.cursor(binary=True) as cursor:
        integers = adapters.get_loader(_INT8, Format.BINARY)
        if integers is not None:
            cursor.adapters.register_loader("timestamptz", integers)
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()


def instants(counted: list[int]) -> Int64:
    """Turn finite times as PostgreSQL counts them into microseconds since the Unix epoch."""
    return np.array(counted, dtype=np.int64) + POSTGRES_EPOCH
