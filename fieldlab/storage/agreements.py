"""Agreements: proposing them, the steps of their lives, and reading them, for the participant that asks."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.assets.participant import Permission
from fieldlab.errors import Conflict, Forbidden, NotFound
from fieldlab.ownership import document
from fieldlab.ownership.agreement import Action, Agreement, AgreementEvent, Party, State, moved
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.terms import Terms, settled
from fieldlab.readings.instant import NEVER, Instant
from fieldlab.storage.attempts import changed
from fieldlab.storage.transaction import Bound, changing, reading

_LIST: Final = text(
    """
    SELECT * FROM visible.agreement
    WHERE (CAST(:state AS text) IS NULL OR state = :state)
      AND (CAST(:after AS timestamptz) IS NULL OR (proposed_at, id) < (CAST(:after AS timestamptz), CAST(:id AS uuid)))
    ORDER BY proposed_at DESC, id DESC LIMIT :limit
    """
)
"""Agreements to which the reader is a party, newest first."""

_OF_IDS: Final = text("SELECT * FROM visible.agreements(CAST(:ids AS uuid[]))")
"""Those of them with these ids."""

_EVENTS: Final = text("SELECT * FROM visible.agreement_events(:id, :after, :after_number, :at_most)")
"""The life of one agreement, oldest first, from after a time and number on."""

_PROPOSE: Final = text(
    "SELECT visible.propose_agreement(:terms, :replaces, make_interval(secs => CAST(:answer_within AS float8) / 1e6))"
)
"""Enters an offer or a request."""

_STEP: Final = text("SELECT visible.step_agreement(:id, :action, :reason)")
"""Takes a step in the name of the bound participant."""

_REFUSED_PURPOSE: Final = text("SELECT visible.note_refused_purpose(:id, :purpose)")
"""Records that the reader asked for a purpose outside an agreement."""

_MISSING: Final = (
    "One of these is not there: the other participant, a stream or trial that the owner has owned, the agreement to "
    "replace. GET /v1/tenures lists what is yours."
)
_UNFIT: Final = "It names a stream that its owner has never owned, or a trial that is not the owner's; reject it."
_ENDED: Final = "The agreement that this one replaces has ended; propose it without."
_BUSY: Final = "This agreement is being changed by others at this moment; try again."
_NOT_THERE: Final = ("23503", "P0002")
_NOT_NOW: Final = "55000"


async def listed(
    scope: ReadScope,
    engine: AsyncEngine,
    *,
    state: State | None = None,
    after: tuple[Instant, UUID] | None = None,
    limit: int = 100,
) -> tuple[Agreement, ...]:
    """List the agreements to which the reader is a party, newest first, from after a place on."""
    moment, id_ = after or (None, None)
    async with reading(scope, engine) as bound:
        asked = {"state": state, "after": moment, "id": id_, "limit": limit}
        return tuple(_agreement(row) for row in await bound.connection.execute(_LIST, asked))


async def one(scope: ReadScope, engine: AsyncEngine, id_: UUID) -> Agreement:
    """Give one agreement; raises NotFound unless the reader is a party to it."""
    async with reading(scope, engine) as bound:
        return await _one(bound, id_)


async def events(
    scope: ReadScope,
    engine: AsyncEngine,
    id_: UUID,
    *,
    after: tuple[Instant, int] | None = None,
    limit: int | None = None,
) -> tuple[AgreementEvent, ...]:
    """Tell the life of an agreement, oldest first, from after a time and number on; all without limit.

    Raises NotFound unless the reader is a party to it.
    """
    at, number = after or (NEVER, 0)
    asked = {"id": id_, "after": at, "after_number": number, "at_most": limit}
    async with reading(scope, engine) as bound:
        await _one(bound, id_)
        return tuple(
            AgreementEvent(
                number=row.id,
                at=row.at,
                kind=row.kind,
                participant=row.participant,
                principal=row.principal,
                reason=row.reason,
            )
            for row in await bound.connection.execute(_EVENTS, asked)
        )


async def propose(
    scope: ReadScope,
    engine: AsyncEngine,
    terms: Terms,
    *,
    answer_within: int,
    replaces: UUID | None = None,
) -> Agreement:
    """Enter an offer of the owner or a request of the grantee, which waits for so many microseconds.

    Raises Forbidden without agreements:write or for a third party, NotFound for an unknown participant, a stream that
    the owner who offers never owned, or an agreement to replace that is not theirs. A request is not told of streams.
    """
    scope.require(Permission.AGREEMENTS_WRITE)
    if scope.participant not in {terms.owner, terms.grantee}:
        raise Forbidden("You can offer your own data, or request another's for yourself: be its owner or its grantee.")
    made = settled(terms)
    asked = {"terms": document.canonical(made), "replaces": replaces, "answer_within": answer_within}

    async def proposed(bound: Bound) -> Agreement:
        return await _one(bound, await bound.connection.scalar(_PROPOSE, asked))

    refused = {**dict.fromkeys(_NOT_THERE, NotFound(_MISSING)), _NOT_NOW: Conflict(_ENDED)}
    return await changed(scope, engine, proposed, busy=Conflict(_BUSY), refused=refused)


async def step(scope: ReadScope, engine: AsyncEngine, id_: UUID, action: Action, *, reason: str = "") -> Agreement:
    """Take a step in an agreement's life; approving one that replaces another ends the other in the same transaction.

    Raises NotFound unless the reader is a party, Forbidden for the other party's step, Conflict for one that the state
    does not allow or whose streams are not the owner's.
    """
    scope.require(Permission.AGREEMENTS_WRITE)

    async def stepped(bound: Bound) -> Agreement:
        found = await _one(bound, id_)
        moved(found.state, action, found.party(scope.participant))
        await bound.connection.execute(_STEP, {"id": id_, "action": action, "reason": reason})
        return await _one(bound, id_)

    refused = {**dict.fromkeys(_NOT_THERE, Conflict(_UNFIT)), _NOT_NOW: Conflict(_ENDED)}
    return await changed(scope, engine, stepped, busy=Conflict(_BUSY), refused=refused)


async def note_refused_purpose(scope: ReadScope, engine: AsyncEngine, id_: UUID, purpose: str) -> None:
    """Record, for both parties to see, that the reader asked for a purpose outside an agreement."""
    async with changing(scope, engine) as bound:
        await bound.connection.execute(_REFUSED_PURPOSE, {"id": id_, "purpose": purpose})


async def of_ids(bound: Bound, ids: Iterable[UUID]) -> Mapping[UUID, Agreement]:
    """Give those of the reader's agreements with these ids, within a bound transaction."""
    found = await bound.connection.execute(_OF_IDS, {"ids": list(ids)})
    return {row.id: _agreement(row) for row in found}


async def _one(bound: Bound, id_: UUID) -> Agreement:
    found = (await of_ids(bound, [id_])).get(id_)
    if found is None:
        raise NotFound(f"There is no agreement {id_}; GET /v1/agreements lists yours.")
    return found


def _agreement(row: Row[Any]) -> Agreement:
    return Agreement(
        id=row.id,
        terms=document.read(row.terms),
        text=row.terms,
        hash=row.hash,
        state=State(row.state),
        proposed_by=Party(row.proposed_by),
        proposed_at=row.proposed_at,
        answer_by=row.answer_by,
        replaces=row.replaces,
    )
