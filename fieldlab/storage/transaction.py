"""A transaction that the database itself has bound to a participant: the only kind the query service opens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fieldlab.errors import Unauthenticated, Unavailable
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.instant import Instant

BIND: Final = text("SELECT * FROM visible.bind(:digest)")
"""Binds the transaction to the participant whose credential is presented; no row if it is void."""

_READ_ONLY: Final = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_SERIALIZABLE: Final = {"isolation_level": "SERIALIZABLE", "postgresql_readonly": False}


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
async def changing(scope: ReadScope, engine: AsyncEngine) -> AsyncIterator[Bound]:
    """Open a serialisable transaction in the name of the scope's participant; committed if the block ends well."""
    async with _bound(scope, engine, _SERIALIZABLE) as bound:
        yield bound


@asynccontextmanager
async def _bound(scope: ReadScope, engine: AsyncEngine, options: dict[str, object]) -> AsyncIterator[Bound]:
    try:
        async with engine.connect() as pooled:
            connection = await pooled.execution_options(**options)
            async with connection.begin():
                row = (await connection.execute(BIND, {"digest": scope.credential.digest})).one_or_none()
                if row is None:
                    raise Unauthenticated("This token is no longer valid: it has expired or was revoked.")
                yield Bound(connection=connection, decided_at=row.decided_at)
    except (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError) as error:
        if _passing(error):
            raise Unavailable("The database cannot be reached now; try again in a moment.") from error
        raise


def _passing(error: DBAPIError | psycopg.Error) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    sqlstate = getattr(cause, "sqlstate", None)
    return sqlstate is None or sqlstate[:2] in {"08", "53", "57"}
