"""The jobs behind exports, for whoever has their tickets: claiming one, noting how far it is, ending it, tidying up.

A ticket is a right: it names one export, and nothing here can be done to another. What a job reads, it reads as any
reader does, with the `ReadScope` that `fieldlab.storage.keys.authenticate` makes of the ticket.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.errors import Unavailable
from fieldlab.ownership.access import Access
from fieldlab.ownership.export import ExportJob, ExportState, Ticket
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage import ledger
from fieldlab.storage.attempts import changed
from fieldlab.storage.transaction import Bound, adding, reached

LEASE: Final = 60
"""Seconds after which a worker that says nothing has lost its job."""


_CLAIM: Final = text("SELECT * FROM visible.claim_export(CAST(:tickets AS bytea[]), make_interval(secs => :lease))")
"""Takes the oldest of the waiting jobs, or one that was lost; passes by what another worker is taking."""

_HOLD: Final = text(
    """
    SELECT visible.hold_export(:ticket, CAST(:streams AS integer[]), CAST(:owners AS text[]),
                               CAST(:agreements AS uuid[]), CAST(:starts AS timestamptz[]),
                               CAST(:untils AS timestamptz[]))
    """
)
"""Notes what the job is going to read."""

_NOTE: Final = text("SELECT visible.note_export(:ticket, :progress, :rows, make_interval(secs => :lease))")
"""Notes how far it is."""

_FINISH: Final = text("SELECT visible.finish_export(:ticket, :state, :detail, :size, :sha256)")
"""Ends the job."""

_SPENT: Final = text("SELECT ticket FROM visible.spent_exports(CAST(:tickets AS bytea[]))")
"""Which exports have nothing more to give."""


async def claim(engine: AsyncEngine, tickets: Iterable[Ticket]) -> ExportJob | None:
    """Take a job that waits, or that its worker has lost, for a minute from now on; None where there is none."""
    held = {ticket.presented: ticket for ticket in tickets}
    with reached():
        async with engine.begin() as connection:
            asked = {"tickets": [*held], "lease": LEASE}
            row = (await connection.execute(_CLAIM, asked)).one_or_none()
    if row is None:
        return None
    return ExportJob(
        id=row.id,
        ticket=held[bytes(row.ticket)],
        question=row.question,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
    )


async def hold(scope: ReadScope, engine: AsyncEngine, ticket: Ticket, access: Access) -> bool:
    """Note what the job is going to hold, and the access in the ledger, in one transaction that decides on both.

    False, and nothing in the ledger, if that is not its reader's any more, or the export was ended.
    """
    asked = {
        "ticket": ticket.presented,
        "streams": [segment.stream for segment in access.segments],
        "owners": [segment.owner for segment in access.segments],
        "agreements": [segment.basis.agreement for segment in access.segments],
        "starts": [segment.interval.start for segment in access.segments],
        "untils": [segment.interval.until for segment in access.segments],
    }

    async def holding(bound: Bound) -> bool:
        if not await bound.connection.scalar(_HOLD, asked):
            return False
        await ledger.note(bound, access)
        return True

    busy = Unavailable("The export is being changed by others all the time; another worker tries again.")
    return await changed(scope, engine, holding, busy=busy, opened=adding)


async def note(
    engine: AsyncEngine,
    ticket: Ticket,
    *,
    progress: float | None = None,
    rows: int | None = None,
    lease: float = LEASE,
) -> bool:
    """Note how far the job is, if that is known, and keep it for so many seconds more; false if it is to stop."""
    asked = {"ticket": ticket.presented, "progress": progress, "rows": rows, "lease": lease}
    with reached():
        async with engine.begin() as connection:
            return bool(await connection.scalar(_NOTE, asked))


async def finish(
    engine: AsyncEngine, ticket: Ticket, state: ExportState, *, detail: str = "", size: int = 0, sha256: str = ""
) -> bool:
    """End the job; what is no longer its reader's is withdrawn, even if it is ready. False if it was ended before."""
    asked = {"ticket": ticket.presented, "state": state, "detail": detail, "size": size or None}
    with reached():
        async with engine.begin() as connection:
            return bool(await connection.scalar(_FINISH, {**asked, "sha256": sha256 or None}))


async def spent(engine: AsyncEngine, tickets: Iterable[Ticket]) -> frozenset[Ticket]:
    """Give those whose exports have nothing more to give: over, ended, or holding what is its reader's no longer."""
    held = {ticket.presented: ticket for ticket in tickets}
    with reached():
        async with engine.begin() as connection:
            found = (await connection.execute(_SPENT, {"tickets": [*held]})).scalars().all()
    return frozenset(held[bytes(one)] for one in found)
