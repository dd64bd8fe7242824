"""What goes into a package beside the measurements: agreements, and for whoever leaves, bookings and who was there."""

from collections.abc import AsyncIterator, Collection, Iterable
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from api.answers import as_odrl
from api.exports.archive import Archive
from api.models.accesses import Access, Checkpoint
from api.models.agreements import Agreement, Event
from api.models.catalogue import Participant
from api.models.custody import BrokenGlass
from api.models.tenures import Tenure
from fieldlab.assets.participant import Participant as Known
from fieldlab.ownership.access import Leaf
from fieldlab.ownership.agreement import Agreement as Signed
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.segment import Basis, BasisKind
from fieldlab.storage import agreements, catalogue, custody, ledger, tenures

JSON = "application/json"
LINES = "application/x-ndjson"
_MANY = 1000


async def participants(scope: ReadScope, engine: AsyncEngine) -> dict[str, Known]:
    """Give who is in the lab, by slug."""
    return {one.slug: one for one in await catalogue.participants(scope, engine, limit=100_000)}


async def add_grounds(scope: ReadScope, engine: AsyncEngine, archive: Archive, bases: Collection[Basis]) -> None:
    """Put in on what ground others' data is in it: agreements, and emergencies with their reason."""
    under: dict[BasisKind, set[UUID]] = {}
    for basis in bases:
        if basis.agreement is not None:
            under.setdefault(basis.kind, set()).add(basis.agreement)
    await add_agreements(scope, engine, archive, under.get(BasisKind.AGREEMENT, ()))
    emergencies = under.get(BasisKind.BREAK_GLASS, ())
    for glass in await custody.broken_glass(scope, engine) if emergencies else ():
        if glass.id in emergencies:
            shown = BrokenGlass.of(glass).model_dump(mode="json", by_alias=True)
            archive.add(f"emergencies/{glass.id}.json", JSON, orjson.dumps(shown, option=orjson.OPT_INDENT_2))


async def add_agreements(scope: ReadScope, engine: AsyncEngine, archive: Archive, ids: Iterable[UUID]) -> None:
    """Put in what was signed, as it was signed and as ODRL, with its life."""
    for id_ in sorted(set(ids)):
        signed = await agreements.one(scope, engine, id_)
        shown = Agreement.of(signed).model_dump(mode="json")
        shown["events"] = [
            Event.of(event).model_dump(mode="json") for event in await agreements.events(scope, engine, id_)
        ]
        archive.add(f"agreements/{id_}.json", JSON, orjson.dumps(shown, option=orjson.OPT_INDENT_2))
        archive.add(
            f"agreements/{id_}.odrl.jsonld",
            as_odrl.MEDIA_TYPE,
            orjson.dumps(as_odrl.policy(signed), option=orjson.OPT_INDENT_2),
        )


async def add_belongings(scope: ReadScope, engine: AsyncEngine, archive: Archive) -> None:
    """Put in what a participant takes when it leaves: itself, its agreements, its bookings, and its part
    of the ledger with the checkpoint that it belongs to.
    """
    own = (await participants(scope, engine))[scope.participant]
    described = Participant.of(own).model_dump(mode="json")
    archive.add("participant.json", JSON, orjson.dumps(described, option=orjson.OPT_INDENT_2))
    await add_agreements(scope, engine, archive, [signed.id async for signed in _every_agreement(scope, engine)])
    with archive.file("tenures.ndjson", LINES) as file:
        async for entry in _every_tenure(scope, engine):
            file.write(orjson.dumps(entry.model_dump(mode="json", by_alias=True)) + b"\n")
    with archive.file("ledger.ndjson", LINES) as file:
        async for leaf in _every_leaf(scope, engine):
            file.write(orjson.dumps(Access.of(leaf).model_dump(mode="json", by_alias=True)) + b"\n")
    checkpoint = Checkpoint.of(await ledger.checkpoint(scope, engine)).model_dump(mode="json")
    archive.add("checkpoint.json", JSON, orjson.dumps(checkpoint, option=orjson.OPT_INDENT_2))


async def _every_agreement(scope: ReadScope, engine: AsyncEngine) -> AsyncIterator[Signed]:
    after = None
    while page := await agreements.listed(scope, engine, state=None, after=after, limit=_MANY):
        for signed in page:
            yield signed
        after = (page[-1].proposed_at, page[-1].id)


async def _every_tenure(scope: ReadScope, engine: AsyncEngine) -> AsyncIterator[Tenure]:
    after = None
    while page := await tenures.listed(scope, engine, after=after, limit=_MANY):
        for entry in page:
            if entry.tenure.owner == scope.participant:
                yield Tenure.of(entry)
        last = page[-1]
        after = (last.asset, last.stream, last.tenure.interval.start)


async def _every_leaf(scope: ReadScope, engine: AsyncEngine) -> AsyncIterator[Leaf]:
    before = None
    while page := await ledger.listed(scope, engine, before=before, limit=_MANY):
        for leaf in page:
            yield leaf
        before = page[-1].index
