"""Exports as their participant sees them: asking for one, looking at it, ending it, and whether it may be had now."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.participant import Permission
from fieldlab.errors import Conflict, NotFound
from fieldlab.ownership.export import Export, ExportState, Ticket
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.instant import Instant
from fieldlab.storage.transaction import changing, reading

_REQUEST: Final = text(
    "SELECT visible.request_export(:id, :question, :mark, make_interval(secs => CAST(:lives AS float8) / 1e6))"
)
"""Enters an export in the name of the bound credential."""

_LIST: Final = text(
    """
    SELECT * FROM visible.export
    WHERE CAST(:after AS timestamptz) IS NULL OR (requested_at, id) < (CAST(:after AS timestamptz), CAST(:id AS uuid))
    ORDER BY requested_at DESC, id DESC LIMIT :limit
    """
)
"""The reader's exports, newest first."""

_ONE: Final = text("SELECT * FROM visible.export WHERE id = :id")
"""One of them."""

_CHECK: Final = text("SELECT visible.check_export(:id)")
"""Whether it is ready, and all of it still the reader's."""

_END: Final = text("SELECT visible.end_export(:id)")
"""Ends it, in whatever state it is."""

_TOO_MANY: Final = "55000"


async def request(
    scope: ReadScope, engine: AsyncEngine, id_: UUID, question: str, ticket: Ticket, lives: int
) -> Export:
    """Ask for an export that is kept for so many microseconds; its job reads with the ticket.

    Raises Conflict where too many of the participant's wait already.
    """
    scope.require(Permission.DATA_READ)
    asked = {"id": id_, "question": question, "mark": ticket.mark, "lives": lives}
    try:
        async with changing(scope, engine) as bound:
            await bound.connection.execute(_REQUEST, asked)
            return _export((await bound.connection.execute(_ONE, {"id": id_})).one())
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _TOO_MANY:
            raise Conflict("Twenty of your exports are waiting already; end one, or wait for one.") from None
        raise


async def listed(
    scope: ReadScope, engine: AsyncEngine, *, after: tuple[Instant, UUID] | None = None, limit: int = 100
) -> tuple[Export, ...]:
    """List the participant's exports, newest first, from after a place on."""
    scope.require(Permission.DATA_READ)
    at, id_ = after or (None, None)
    async with reading(scope, engine) as bound:
        found = await bound.connection.execute(_LIST, {"after": at, "id": id_, "limit": limit})
        return tuple(_export(row) for row in found)


async def one(scope: ReadScope, engine: AsyncEngine, id_: UUID) -> Export:
    """Give one of the participant's exports; raises NotFound for one that is not there or hidden."""
    scope.require(Permission.DATA_READ)
    async with reading(scope, engine) as bound:
        row = (await bound.connection.execute(_ONE, {"id": id_})).one_or_none()
    if row is None:
        raise NotFound(f"There is no export {id_}; GET /v1/exports lists yours.")
    return _export(row)


async def holds(scope: ReadScope, engine: AsyncEngine, id_: UUID) -> bool:
    """Tell whether an export may be had now: it is ready, and every stretch of it still the reader's."""
    async with reading(scope, engine) as bound:
        return bool(await bound.connection.scalar(_CHECK, {"id": id_}))


async def end(scope: ReadScope, engine: AsyncEngine, id_: UUID) -> Export:
    """End one of the participant's exports; what there is of it is deleted. Raises NotFound."""
    await one(scope, engine, id_)
    async with changing(scope, engine) as bound:
        await bound.connection.execute(_END, {"id": id_})
    return await one(scope, engine, id_)


def _export(row: Row[Any]) -> Export:
    return Export(
        id=row.id,
        state=ExportState(row.state),
        question=row.question,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        finished_at=row.finished_at,
        progress=row.progress,
        rows=row.rows,
        detail=row.detail,
        size=row.size,
        sha256=row.sha256,
    )
