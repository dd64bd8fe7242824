"""The connections on which measurements are read: plain psycopg, opened as those of every other process."""

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from psycopg import AsyncConnection, AsyncCursor, adapters
from psycopg.pq import Format
from psycopg_pool import AsyncConnectionPool

from fieldlab.storage.database import adapt, address, arguments

Connection = AsyncConnection[tuple[Any, ...]]
Pool = AsyncConnectionPool[Connection]

_INT8: Final = 20

_ONE_MOMENT: Final = r"-c default_transaction_isolation=repeatable\ read"
"""Also a statement that is a transaction by itself decides and reads at one moment."""

_PATIENCE: Final = 10
"""Seconds that a reader waits for a connection before it is told that the service is busy."""


@asynccontextmanager
async def open_pool(url: str, *, name: str, connections: int = 8) -> AsyncIterator[Pool]:
    """Open a pool, closed at the end; it connects when it is first used. `name` shows in pg_stat_activity.

    A connection that the server has closed meanwhile is replaced before anybody gets it.
    """
    given = arguments(name)
    pool: Pool = AsyncConnectionPool(
        address(url).set(drivername="postgresql").render_as_string(hide_password=False),
        kwargs={"autocommit": True, **given, "options": f"{given['options']} {_ONE_MOMENT}"},
        min_size=0,
        max_size=connections,
        timeout=_PATIENCE,
        reconnect_timeout=_PATIENCE,
        configure=_configure,
        check=_check,
        open=False,
        name=name,
    )
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


def counting(connection: Connection) -> AsyncCursor[tuple[Any, ...]]:
    """Make a cursor that gives times as PostgreSQL counts them, see `fieldlab.storage.columns.instants`."""
    cursor = connection.cursor(binary=True)
    integers = adapters.get_loader(_INT8, Format.BINARY)
    if integers is not None:
        cursor.adapters.register_loader("timestamptz", integers)
    return cursor


async def _configure(connection: Connection) -> None:
    adapt(connection)


async def _check(connection: Connection) -> None:
    """Ask the server only where something has come from it unasked, as its farewell does."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    if waiting.poll(0):
        await AsyncConnectionPool.check_connection(connection)
