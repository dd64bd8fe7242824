"""Opening a database: the engine, its sessions in UTC, and instants as microseconds with infinities."""

from datetime import datetime
from typing import Any, Final

from psycopg import ProgrammingError
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Format
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from fieldlab.errors import InvalidSettings
from fieldlab.readings.instant import FOREVER, NEVER, Instant

POSTGRES_EPOCH: Final = 946_684_800_000_000
"""2000-01-01T00:00:00Z, from which PostgreSQL counts, in microseconds since the Unix epoch."""

_INFINITIES: Final = {b"infinity": FOREVER, b"-infinity": NEVER}
_TIMESTAMPTZ: Final = 1184


class _InstantDumper(Dumper):
    oid = _TIMESTAMPTZ

    def dump(self, obj: Instant) -> Buffer:
        return str(obj).encode()


class _InstantLoader(Loader):
    format = Format.TEXT

    def load(self, data: Buffer) -> Instant:
        text = bytes(data)
        found = _INFINITIES.get(text)
        return Instant.of(datetime.fromisoformat(text.decode())) if found is None else found


class _BinaryInstantLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> Instant:
        micros = int.from_bytes(bytes(data), "big", signed=True)
        return Instant(micros + POSTGRES_EPOCH) if NEVER < micros < FOREVER else Instant(micros)


def adapt(connection: AdaptContext) -> None:
    """Teach a psycopg connection to take and give `Instant` for timestamptz."""
    adapters = connection.adapters
    adapters.register_dumper(Instant, _InstantDumper)
    adapters.register_loader("timestamptz", _InstantLoader)
    adapters.register_loader("timestamptz", _BinaryInstantLoader)


def address(url: str) -> URL:
    """Read a `postgresql://…` URL, for psycopg; raises InvalidSettings for anything else."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number is a ValueError
        raise InvalidSettings("The database URL cannot be read; write postgresql://user:password@host/name.") from None
    if parsed.get_backend_name() != "postgresql":
        raise InvalidSettings(f"The database URL begins with {parsed.drivername}://; Fieldlab needs postgresql://.")
    try:
        conninfo_to_dict(parsed.set(drivername="postgresql").render_as_string(hide_password=False))
    except ProgrammingError as error:
        raise InvalidSettings(f"The database URL cannot be used: {str(error).strip()}.") from None
    return parsed.set(drivername="postgresql+psycopg")


def open_engine(url: str, *, name: str) -> Engine:
    """Open a database for blocking work, such as migrations; connects at first use.

    `name` shows in pg_stat_activity.
    """
    engine = create_engine(address(url), connect_args=arguments(name))
    event.listen(engine, "connect", _on_connect)
    return engine


def open_async_engine(url: str, *, name: str, connections: int = 8) -> AsyncEngine:
    """Open a database for a process; connects at first use and checks a pooled connection before it is used again."""
    engine = create_async_engine(
        address(url), connect_args=arguments(name), pool_size=connections, max_overflow=0, pool_pre_ping=True
    )
    event.listen(engine.sync_engine, "connect", _on_connect)
    return engine


def arguments(name: str) -> dict[str, Any]:
    """Give what every connection is opened with: UTC, and a dead link noticed within half a minute."""
    return {
        "application_name": name,
        "options": "-c timezone=UTC -c datestyle=ISO",
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }


def _on_connect(connection: AdaptContext, _record: object) -> None:
    adapt(getattr(connection, "driver_connection", connection))
