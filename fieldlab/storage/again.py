"""Deciding again: the later transactions of one answer, each bound anew, and why a right is no longer there."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

from fieldlab.errors import RightEnded
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import BasisKind, Segment
from fieldlab.storage.deciding import BEGIN, COMMIT, borrowed
from fieldlab.storage.pool import Connection, Pool, counting
from fieldlab.storage.trip import trip

_BIND: Final = "SELECT key, set_config('fieldlab.access', %(entry)s, true) FROM visible.bind(%(presented)s)"
"""Binds a later transaction of the same answer, and names its entry in the ledger."""

_UNHELD: Final = """
    SELECT * FROM visible.unheld(%(numbers)s, %(streams)s, %(starts)s, %(untils)s, CAST(%(under)s AS uuid[])) LIMIT 1
"""
"""The first stretch to which the reader has no right any more."""

_WHY: Final = "SELECT state FROM visible.agreements(ARRAY[CAST(%(agreement)s AS uuid)])"
"""What has become of the agreement on which a stretch was given."""


async def confirm(scope: ReadScope, pool: Pool, segments: Sequence[Segment]) -> None:
    """Raise RightEnded unless the reader still has its right to each of these segments."""
    async with borrowed(pool) as connection:
        found = await in_bound(scope, connection, _UNHELD, stretches(segments))
        if found:
            raise await ended(scope, connection, next(one for one in segments if one.number == found[0][0]))


async def in_bound(
    scope: ReadScope,
    connection: Connection,
    statement: LiteralString,
    parameters: Mapping[str, object],
    *,
    entry: UUID | None = None,
) -> list[tuple[Any, ...]]:
    """Run one statement in a bound transaction of its own, in one trip; what gives rows needs the answer's `entry`."""
    async with connection.cursor(binary=True) as binding, counting(connection) as cursor:
        async with trip(connection):
            await connection.execute(BEGIN)
            await binding.execute(_BIND, {"presented": scope.credential.digest, "entry": str(entry or "")})
            await cursor.execute(statement, parameters)
            await connection.execute(COMMIT)
        found = await cursor.fetchall()
        if not await binding.fetchone():
            raise RightEnded("The key has expired or was revoked.", reason="key.ended")
        return found


async def ended(scope: ReadScope, connection: Connection, segment: Segment) -> RightEnded:
    """Say why a segment is not the reader's any more."""
    agreement = segment.basis.agreement
    if agreement is None:
        return RightEnded("This stretch is no longer yours; ask again.", reason="tenure.changed")
    if segment.basis.kind is BasisKind.BREAK_GLASS:
        return RightEnded("The time of this emergency is over.", reason="break_glass.closed")
    found = await in_bound(scope, connection, _WHY, {"agreement": agreement})
    state = found[0][0] if found else "active"
    if state == "active":
        return RightEnded(f"Agreement {agreement} no longer covers this stretch; ask again.", reason="tenure.changed")
    return RightEnded(f"Agreement {agreement} is {state}.", reason=f"agreement.{state}")


def stretches(segments: Sequence[Segment]) -> dict[str, object]:
    """Give the segments as the functions of the database take them."""
    return {
        "numbers": [segment.number for segment in segments],
        "streams": [segment.stream for segment in segments],
        "starts": [segment.interval.start for segment in segments],
        "untils": [segment.interval.until for segment in segments],
        "under": [segment.basis.agreement for segment in segments],
    }
