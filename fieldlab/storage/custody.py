"""Breaking glass and erasing, in the name of the bound participant; the database makes the records."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.name import split_reference
from fieldlab.assets.participant import Permission
from fieldlab.errors import Forbidden, NotFound
from fieldlab.ownership.custody import BrokenGlass, Erasure, check_erasure, check_glass
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.instant import FOREVER, Instant
from fieldlab.storage.transaction import Bound, changing, reading

_BREAK: Final = text(
    """
    SELECT visible.break_glass(CAST(:assets AS text[]), CAST(:names AS text[]), :start, :until, :reason,
                               make_interval(secs => CAST(:lasting AS float8) / 1e6))
    """
)
"""Gives the operator what others own, and tells them."""

_BROKEN: Final = text("SELECT * FROM visible.broken_glass(:before, :before_id, :at_most)")
"""Broken glass that concerns the reader, newest first, from before a time and id on."""

_ERASE: Final = text("SELECT visible.erase(CAST(:assets AS text[]), CAST(:names AS text[]), :start, :until, :reason)")
"""Deletes what the reader owns, and makes a record of it."""

_ERASED: Final = text("SELECT * FROM visible.erasures(:before, :before_id, :at_most)")
"""What the reader has erased, newest first, from before a time and id on."""

Place = tuple[Instant, UUID]
"""The time and id of the last one of the page before."""

_NEWEST: Final = (FOREVER, UUID(int=(1 << 128) - 1))

_NOT_THERE: Final = "P0002"
_NOT_ALLOWED: Final = "42501"
_MISSING: Final = "There is no stream among these, or none of them was yours then; GET /v1/streams lists those you see."


async def break_glass(
    scope: ReadScope, engine: AsyncEngine, streams: Iterable[str], data: Interval, *, reason: str, lasting: int
) -> BrokenGlass:
    """Open what others own of streams or whole assets, for at most an hour, and tell them.

    Raises Forbidden for anybody but the operator with lab:admin, NotFound where there is no such stream or nobody else
    owned any of it, InvalidInput for a reason that says nothing.
    """
    scope.require(Permission.LAB_ADMIN)
    check_glass(reason=reason, lasting=lasting)
    asked = {**_asked(streams, data), "reason": reason.strip(), "lasting": lasting}
    try:
        async with changing(scope, engine) as bound:
            made = await bound.connection.scalar(_BREAK, asked)
            found = [one for one in await _broken(bound) if one.id == made]
            if not found:
                raise NotFound("Nobody else owned any of that; what is your own you read without breaking glass.")
    except DBAPIError as error:
        _translate(error, "Only the operator of the lab breaks glass; its own data it reads without.")
    return found[0]


async def broken_glass(
    scope: ReadScope, engine: AsyncEngine, *, after: Place | None = None, limit: int | None = None
) -> tuple[BrokenGlass, ...]:
    """List the broken glass that opened the reader's data, or that it broke itself, newest first; all without limit."""
    async with reading(scope, engine) as bound:
        return await _broken(bound, after, limit)


async def erase(
    scope: ReadScope, engine: AsyncEngine, streams: Iterable[str], data: Interval, *, reason: str
) -> Erasure:
    """Delete what the reader owns of streams or whole assets within a stretch of whole minutes, for good.

    Raises Forbidden without data:erase, NotFound where none of it is the reader's, InvalidInterval for an open end.
    """
    scope.require(Permission.DATA_ERASE)
    check_erasure(data)
    try:
        async with changing(scope, engine) as bound:
            made = await bound.connection.scalar(_ERASE, {**_asked(streams, data), "reason": reason})
            (erased,) = [one for one in await _erasures(bound) if one.id == made]
    except DBAPIError as error:
        _translate(error, "This key lacks the scope data:erase; ask for a key that has it.")
    return erased


async def erasures(
    scope: ReadScope, engine: AsyncEngine, *, after: Place | None = None, limit: int | None = None
) -> tuple[Erasure, ...]:
    """List what the reader has erased, newest first; all without limit."""
    async with reading(scope, engine) as bound:
        return await _erasures(bound, after, limit)


def _page(after: Place | None, limit: int | None) -> dict[str, object]:
    before, id_ = after or _NEWEST
    return {"before": before, "before_id": id_, "at_most": limit}


async def _broken(bound: Bound, after: Place | None = None, limit: int | None = None) -> tuple[BrokenGlass, ...]:
    return tuple(
        BrokenGlass(
            id=row.id,
            participant=row.participant,
            principal=row.principal,
            reason=row.reason,
            opened_at=row.opened_at,
            closes_at=row.closes_at,
            streams=tuple(row.streams),
            data=Interval(start=row.start, until=row.until),
        )
        for row in await bound.connection.execute(_BROKEN, _page(after, limit))
    )


async def _erasures(bound: Bound, after: Place | None = None, limit: int | None = None) -> tuple[Erasure, ...]:
    return tuple(_erasure(row) for row in await bound.connection.execute(_ERASED, _page(after, limit)))


def _erasure(row: Row[Any]) -> Erasure:
    return Erasure(
        id=row.id,
        at=row.at,
        principal=row.principal,
        reason=row.reason,
        streams=tuple(row.streams),
        data=Interval(start=row.start, until=row.until),
        samples=row.samples,
        rejects=row.rejects,
        exports=row.exports,
    )


def _asked(streams: Iterable[str], data: Interval) -> dict[str, object]:
    """Give references and slugs as two columns; an asset has no name beside it."""
    pairs: Sequence[tuple[str, str | None]] = [split_reference(one) or (one, None) for one in streams]
    return {
        "assets": [asset for asset, _ in pairs],
        "names": [name for _, name in pairs],
        "start": data.start,
        "until": data.until,
    }


def _translate(error: DBAPIError, forbidden: str) -> NoReturn:
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate == _NOT_THERE:
        raise NotFound(_MISSING) from None
    if sqlstate == _NOT_ALLOWED:
        raise Forbidden(forbidden) from None
    raise error
