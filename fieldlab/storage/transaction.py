"""A transaction that the database itself has bound to a participant: the only kind the query service opens."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fieldlab.errors import Unauthenticated, Unavailable
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.instant import Instant

BIND: Final = text("SELECT * FROM visible.bind(:digest)")
"""Binds the transaction to the participant whose credential is presented; no row if it is void."""

_READ_ONLY: Final = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_ADDING: Final = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": False}
_SERIALIZABLE: Final = {"isolation_level": "SERIALIZABLE", "postgresql_readonly": False}

_PASSING: Final = {"08", "53", "57"}
"""Classes of SQLSTATE that pass by themselves: connections, resources, an operator who intervenes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """A bound transaction; `decided_at` is the database's clock at its start."""

    connection: AsyncConnection
    decided_at: Instant


@asynccontextmanager
async def reading(scope: ReadScope, engine: AsyncEngine) -> AsyncIterator[Bound]:
    """Open a read-only transaction that sees one moment and only what the scope's participant may see."""
    async with _bound(scope, engine, _READ_ONLY) as bound:
        yield bound


@asynccontextmanager
async def adding(scope: ReadScope, engine: AsyncEngine) -> AsyncIterator[Bound]:
    """Open a transaction that sees one moment, like `reading`, and may add records of what is read in it."""
    async with _bound(scope, engine, _ADDING) as bound:
        yield bound


@asynccontextmanager
async def changing(scope: ReadScope, engine: AsyncEngine) -> AsyncIterator[Bound]:
    """Open a serialisable transaction in the name of the scope's participant; committed if the block ends well."""
    async with _bound(scope, engine, _SERIALIZABLE) as bound:
        yield bound


@contextmanager
def reached() -> Iterator[None]:
    """Turn what a database says that cannot be reached, or is overloaded, into Unavailable."""
    try:
        yield
    except exc.TimeoutError as error:
        raise Unavailable("The service is busy; try again in a moment.") from error
    except (exc.OperationalError, exc.InterfaceError, psycopg.OperationalError, psycopg.InterfaceError) as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        sqlstate = getattr(cause, "sqlstate", None)
        if sqlstate is None or sqlstate[:2] in _PASSING:
            raise Unavailable("The database cannot be reached now; try again in a moment.") from cause
        raise


@asynccontextmanager
async def _bound(scope: ReadScope, engine: AsyncEngine, options: dict[str, object]) -> AsyncIterator[Bound]:
    with reached():
        async with engine.connect() as pooled:
            connection = await pooled.execution_options(**options)
            async with connection.begin():
                row = (await connection.execute(BIND, {"digest": scope.credential.digest})).one_or_none()
                if row is None:
                    raise Unauthenticated("This token is no longer valid: it has expired or was revoked.")
                yield Bound(connection=connection, decided_at=row.decided_at)
