"""Plain psycopg connections for the ingest process: they notice a dead link, and speak UTC and `Instant`."""

from typing import Any, Final

import psycopg

from fieldlab.storage.database import adapt, address

_ARGUMENTS: Final[dict[str, Any]] = {
    "options": "-c timezone=UTC -c datestyle=ISO",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def connect(url: str, *, name: str) -> psycopg.Connection:
    """Connect and wait for it; raises psycopg.OperationalError. `name` shows in pg_stat_activity."""
    connection = psycopg.connect(_conninfo(url), autocommit=True, application_name=name, **_ARGUMENTS)
    adapt(connection)
    return connection


async def connect_async(url: str, *, name: str) -> psycopg.AsyncConnection:
    """Connect; raises psycopg.OperationalError. `name` shows in pg_stat_activity."""
    connection = await psycopg.AsyncConnection.connect(
        _conninfo(url), autocommit=True, application_name=name, **_ARGUMENTS
    )
    adapt(connection)
    return connection


def _conninfo(url: str) -> str:
    return address(url).set(drivername="postgresql").render_as_string(hide_password=False)
