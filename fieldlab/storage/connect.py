"""Plain psycopg connections for the ingest process, opened as those of every other process."""

import psycopg

from fieldlab.storage.database import adapt, address, arguments


def connect(url: str, *, name: str) -> psycopg.Connection:
    """Connect and wait for it; raises psycopg.OperationalError. `name` shows in pg_stat_activity."""
    connection = psycopg.connect(_conninfo(url), autocommit=True, **arguments(name))
    adapt(connection)
    return connection


async def connect_async(url: str, *, name: str) -> psycopg.AsyncConnection:
    """Connect; raises psycopg.OperationalError. `name` shows in pg_stat_activity."""
    connection = await psycopg.AsyncConnection.connect(_conninfo(url), autocommit=True, **arguments(name))
    adapt(connection)
    return connection


def _conninfo(url: str) -> str:
    return address(url).set(drivername="postgresql").render_as_string(hide_password=False)
