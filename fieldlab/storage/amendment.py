"""An amendment of who owns what when: one serialisable transaction, on all that it is about or on nothing."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.participant import Permission
from fieldlab.errors import Conflict, FieldlabError, NotFound, TenureConflict
from fieldlab.ownership import tenure as timelines
from fieldlab.ownership.lending import lends_only, refuse_taking
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.tenure import Timeline
from fieldlab.storage.attempts import changed
from fieldlab.storage.tenures import StreamTenure, tenure_of, written
from fieldlab.storage.transaction import Bound

_OF_ASSET: Final = text("SELECT * FROM visible.tenure WHERE asset = :asset ORDER BY stream, start")
"""The tenures of an asset that concern whoever changes them: all of them, or a tenant's own."""

_HOME_OWNER: Final = text("SELECT home_owner FROM visible.asset WHERE slug = :asset")
"""To whom an asset belongs when nobody has booked it."""

_PARTICIPANT: Final = text("SELECT slug FROM visible.participant WHERE slug = :slug")
"""Whether a participant is in the lab."""

_AMEND: Final = text(
    "SELECT visible.amend_tenures(:asset, :kind, CAST(:removed AS bigint[]), CAST(:added AS jsonb), :reason)"
)
"""Replaces tenures of an asset and appends the event."""

_BOOKED: Final = "23P01"
_TAKEN: Final = "23505"
_OF_A_REPLAY: Final = "tenure_of_a_replay"


class Kind(StrEnum):
    """What an amendment is, as the history calls it."""

    HAND_OVER = "hand_over"
    EXTEND = "extend"
    RETURN = "return"
    CORRECT = "correct"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What an operation is about: an asset, and which of its streams; all of them where none is named."""

    asset: str
    streams: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """The asset that is being amended; a tenant sees nothing but its own part of the timelines, not the whole."""

    asset: str
    home_owner: str
    whole: bool


Change = Callable[[Machine, Timeline], Timeline]
"""What an operation makes of a stream's timeline."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Amendment:
    """What is to be changed; `to` has to be a participant.

    With `gives_back` a tenant may do it with its own booking, and it is refused where it would change nothing.
    """

    kind: Kind
    change: Change
    to: str | None = None
    gives_back: bool = False
    reason: str = ""


def may_amend(scope: ReadScope) -> None:
    """Raise Forbidden for a key with neither tenures:write nor lab:admin."""
    if Permission.LAB_ADMIN not in scope.permissions:
        scope.require(Permission.TENURES_WRITE)


async def amend(
    scope: ReadScope, engine: AsyncEngine, parts: Sequence[Part], amendment: Amendment
) -> tuple[StreamTenure, ...]:
    """Change the timelines of some streams, and list them as far as they concern the caller.

    With tenures:write the home owner of an asset does it within what is its own to give, and a tenant gives back its
    bookings; with lab:admin there is no such bound. Raises Forbidden beyond it, NotFound for an asset, stream or
    participant that is not there or hidden, TenureConflict where it is booked or nothing is.
    """
    may_amend(scope)

    async def amending(bound: Bound) -> tuple[StreamTenure, ...]:
        if amendment.to is not None:
            await _known(bound, amendment.to)
        done = [await _amended(scope, bound, part, amendment) for part in parts]
        if amendment.gives_back and not any(differs for _, differs in done):
            raise TenureConflict("Nothing that could be returned is booked at that time.")
        return tuple(entry for entries, _ in done for entry in entries)

    refused: dict[str, FieldlabError] = {
        _BOOKED: TenureConflict("The asset is booked for some of that time; choose another time."),
        _TAKEN: Conflict("That trial belongs to another participant; choose another name."),
    }
    busy = Conflict("The tenures of this asset are being changed by others at this moment; try again.")
    try:
        return await changed(scope, engine, amending, busy=busy, refused=refused)
    except DBAPIError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) != _OF_A_REPLAY:
            raise
        raise Conflict(
            "The asset is a recording: what it plays stays its owner's. Ask the owner for an agreement instead."
        ) from None


async def _known(bound: Bound, participant: str) -> None:
    if (await bound.connection.scalar(_PARTICIPANT, {"slug": participant})) is None:
        raise NotFound(f"There is no participant {participant!r}; GET /v1/participants lists them.")


async def _amended(scope: ReadScope, bound: Bound, part: Part, amendment: Amendment) -> tuple[list[StreamTenure], bool]:
    lender = None if Permission.LAB_ADMIN in scope.permissions else scope.participant
    home_owner = await bound.connection.scalar(_HOME_OWNER, {"asset": part.asset})
    found = (await bound.connection.execute(_OF_ASSET, {"asset": part.asset})).all()
    machine = Machine(asset=part.asset, home_owner=home_owner or "", whole=lender in {None, home_owner})
    if home_owner is not None and not machine.whole and not (found and amendment.gives_back):
        raise lends_only(home_owner)
    if home_owner is None or not found:
        raise NotFound(f"There is no asset {part.asset!r} with streams; GET /v1/assets lists those you can see.")
    missing = sorted(part.streams - {row.stream_name for row in found})
    if missing:
        raise NotFound(f"There is no stream '{part.asset}.{missing[0]}'; GET /v1/streams lists those you can see.")
    wanted = [row for row in found if not part.streams or row.stream_name in part.streams]
    removed: list[int] = []
    added: list[dict[str, object]] = []
    result: list[StreamTenure] = []
    for (stream, name), rows in groupby(wanted, key=lambda row: (row.stream, row.stream_name)):
        before = {tenure_of(row): row.id for row in rows}
        after = amendment.change(machine, tuple(before))
        if machine.whole:
            timelines.check(after)
        if lender is not None:
            refuse_taking(tuple(before), after, lender=lender, home_owner=home_owner, now=bound.decided_at)
        removed.extend(id_ for tenure, id_ in before.items() if tenure not in after)
        added.extend(written(stream, tenure) for tenure in after if tenure not in before)
        result.extend(StreamTenure(asset=part.asset, stream=name, tenure=tenure) for tenure in after)
    if added:
        asked = {"asset": part.asset, "kind": amendment.kind, "removed": removed, "added": json.dumps(added)}
        await bound.connection.execute(_AMEND, asked | {"reason": amendment.reason})
    return result, bool(added)
