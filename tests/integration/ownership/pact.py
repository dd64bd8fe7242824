"""Agreements for tests: offered, requested and signed with the product's own words."""

from typing import Final, TypedDict, Unpack
from uuid import UUID

from fieldlab.assets.participant import Permission
from fieldlab.ownership.agreement import Action, Agreement
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.terms import DataFormat, Declared, Enforced, Terms
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import FOREVER, MINUTE, Instant
from fieldlab.storage import agreements, keys
from fieldlab.storage.database import open_engine
from tests.integration.ownership.floor import CURRENT, MONDAY, Floor

WEEK: Final = Interval(start=MONDAY, until=Instant(MONDAY + 7 * 24 * 60 * MINUTE))
_PATIENCE: Final = 24 * 60 * MINUTE


class Wanted(TypedDict, total=False):
    """What of the terms a test cares about."""

    owner: str
    streams: tuple[str, ...]
    trial: str
    data: Interval
    validity: Interval
    resolution_floor: int
    minimum_samples: int
    embargo: int
    aggregates: tuple[Aggregate, ...]
    formats: tuple[DataFormat, ...]
    declared: Declared


async def writing(floor: Floor) -> None:
    """Give everybody a key that may write agreements as well."""
    administration = open_engine(floor.database.admin, name="tests")
    with administration.begin() as connection:
        tokens = {
            who: keys.issue(
                connection,
                participant=who,
                principal=f"signatory of {who}",
                permissions=scope.permissions | {Permission.AGREEMENTS_WRITE},
                expires_at=FOREVER,
            ).token
            for who, scope in floor.scopes.items()
        }
    administration.dispose()
    assert isinstance(floor.scopes, dict)
    for who, token in tokens.items():
        floor.scopes[who] = await keys.authenticate(floor.engine, token)


def terms(**wanted: Unpack[Wanted]) -> Terms:
    """An agreement of an owner with the outsider, over the mill's current unless said otherwise."""
    return Terms(
        owner=wanted.get("owner", "sme-a"),
        grantee="outsider",
        enforced=Enforced(
            streams=wanted.get("streams", (CURRENT,)),
            trial=wanted.get("trial"),
            data=wanted.get("data", ALWAYS),
            validity=wanted.get("validity", ALWAYS),
            resolution_floor=wanted.get("resolution_floor"),
            minimum_samples=wanted.get("minimum_samples"),
            embargo=wanted.get("embargo", 0),
            aggregates=wanted.get("aggregates"),
            formats=wanted.get("formats", tuple(DataFormat)),
        ),
        declared=wanted.get("declared", Declared()),
    )


async def offer(floor: Floor, *, replaces: UUID | None = None, **wanted: Unpack[Wanted]) -> Agreement:
    """Offer, as the owner."""
    made = terms(**wanted)
    scope = floor.scopes[made.owner]
    return await agreements.propose(scope, floor.engine, made, answer_within=_PATIENCE, replaces=replaces)


async def request(floor: Floor, *, answer_within: int = _PATIENCE, **wanted: Unpack[Wanted]) -> Agreement:
    """Request, as the grantee."""
    scope = floor.scopes["outsider"]
    return await agreements.propose(scope, floor.engine, terms(**wanted), answer_within=answer_within)


async def sign(floor: Floor, proposed: Agreement) -> Agreement:
    """Take an offer, as the grantee."""
    return await agreements.step(floor.scopes["outsider"], floor.engine, proposed.id, Action.APPROVE)


async def pact(floor: Floor, **wanted: Unpack[Wanted]) -> Agreement:
    """An agreement that holds."""
    return await sign(floor, await offer(floor, **wanted))
