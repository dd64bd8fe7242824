"""Owners lend their machines themselves, and tenants give them back; nobody takes what another has measured."""

import json
from typing import Any

import psycopg
import pytest

from fieldlab.assets.participant import Permission
from fieldlab.errors import Forbidden, NotFound, TenureConflict
from fieldlab.ownership.access import Whose
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.tenure import Tenure
from fieldlab.readings.instant import FOREVER, MINUTE, NEVER, Instant
from fieldlab.storage import hand_overs, keys, ledger, sealing, tenure_events, tenures, trials
from fieldlab.storage.amendment import Part
from fieldlab.storage.database import adapt, open_engine
from tests.integration.ownership.floor import JOINT, MONDAY, TUESDAY, WEDNESDAY, Floor

HOUR = 60 * MINUTE
DAY = 24 * HOUR
ROBOT = "robot-1"
"""The machine of sme-b; the mill is the lab's."""


@pytest.fixture
async def lending(floor: Floor) -> Floor:
    """The lab where everybody but the operator holds a key with tenures:write."""
    administration = open_engine(floor.database.admin, name="tests")
    with administration.begin() as connection:
        issued = {
            who: keys.issue(
                connection,
                participant=who,
                principal=f"lender of {who}",
                permissions=frozenset({Permission.DATA_READ, Permission.TENURES_WRITE}),
                expires_at=FOREVER,
            ).token
            for who in ("sme-a", "sme-b", "outsider")
        }
    administration.dispose()
    assert isinstance(floor.scopes, dict)
    for who, token in issued.items():
        floor.scopes[who] = await keys.authenticate(floor.engine, token)
    return floor


def soon() -> Instant:
    """A whole minute of tomorrow."""
    return Instant((Instant.now() // MINUTE) * MINUTE + DAY)


def booked(owner: str, start: int, until: int, trial: str | None = None) -> Tenure:
    return Tenure(owner=owner, trial=trial, booked=True, interval=Interval(start=Instant(start), until=Instant(until)))


async def timeline(floor: Floor, who: str, asset: str = ROBOT) -> list[tuple[str, int, int]]:
    listed = await tenures.listed(floor.scopes[who], floor.engine, asset=asset)
    return [(t.tenure.owner, t.tenure.interval.start, t.tenure.interval.until) for t in listed]


async def test_an_owner_lends_its_machine_extends_and_takes_it_back_before_the_end(lending: Floor) -> None:
    owner, engine, start = lending.scopes["sme-b"], lending.engine, soon()
    await hand_overs.hand_over(owner, engine, ROBOT, booked("sme-a", start, start + HOUR, "grip"))
    await hand_overs.extend(owner, engine, ROBOT, start, Instant(start + 2 * HOUR))
    assert await timeline(lending, "sme-a") == [("sme-a", start, start + 2 * HOUR)]
    await hand_overs.return_early(owner, engine, ROBOT, Instant(start + MINUTE))
    assert await timeline(lending, "sme-b") == [
        ("sme-b", NEVER, start),
        ("sme-a", start, start + MINUTE),
        ("sme-b", start + MINUTE, FOREVER),
    ]
    await hand_overs.correct(owner, engine, ROBOT, start, None, reason="not on that day")
    assert await timeline(lending, "sme-b") == [("sme-b", NEVER, FOREVER)]
    assert await timeline(lending, "sme-a") == []


async def test_an_owner_gives_its_own_past_away_and_takes_nobody_else_s(lending: Floor) -> None:
    owner, engine = lending.scopes["sme-b"], lending.engine
    await hand_overs.hand_over(owner, engine, ROBOT, booked("sme-a", MONDAY, TUESDAY))
    before = await timeline(lending, "sme-b")
    with pytest.raises(Forbidden, match="measured"):
        await hand_overs.return_early(owner, engine, ROBOT, Instant(MONDAY + HOUR))
    for right in (None, booked("sme-b", MONDAY, TUESDAY), booked("sme-a", MONDAY + MINUTE, TUESDAY)):
        with pytest.raises(Forbidden, match="measured"):
            await hand_overs.correct(owner, engine, ROBOT, MONDAY, right, reason="mine after all")
    assert await timeline(lending, "sme-b") == before


async def test_a_running_booking_is_ended_from_now_on_and_keeps_what_was_measured(lending: Floor) -> None:
    owner, engine, later = lending.scopes["sme-b"], lending.engine, soon()
    await hand_overs.hand_over(owner, engine, ROBOT, booked("sme-a", MONDAY, FOREVER))
    await hand_overs.return_early(owner, engine, ROBOT, later)
    assert await timeline(lending, "sme-a") == [("sme-a", MONDAY, later)]


async def test_a_tenant_gives_back_what_it_has_booked_and_the_home_owner_s_time_is_one_again(lending: Floor) -> None:
    owner, tenant, engine = lending.scopes["sme-b"], lending.scopes["sme-a"], lending.engine
    await hand_overs.hand_over(owner, engine, ROBOT, booked("sme-a", MONDAY, TUESDAY, "grip"))
    shown = await hand_overs.return_early(tenant, engine, ROBOT, Instant(MONDAY + HOUR))
    assert [(one.tenure.owner, one.tenure.interval.until) for one in shown] == [
        ("sme-a", MONDAY + HOUR),
        ("sme-b", TUESDAY),
    ]
    assert await timeline(lending, "sme-b") == [
        ("sme-b", NEVER, MONDAY),
        ("sme-a", MONDAY, MONDAY + HOUR),
        ("sme-b", MONDAY + HOUR, FOREVER),
    ]
    await hand_overs.correct(tenant, engine, ROBOT, MONDAY, None, reason="we were not there")
    assert await timeline(lending, "sme-b") == [("sme-b", NEVER, FOREVER)]
    history = await tenure_events.events(owner, engine, ROBOT)
    assert [event.kind for event in history] == ["correct", "return", "hand_over"]
    assert {entry.tenure.owner for event in history for entry in event.removed} == {"sme-a", "sme-b"}
    await sealing.seal(engine)
    told = [leaf.said["kind"] for leaf in await ledger.listed(owner, engine, whose=Whose.OTHERS)]
    assert told == ["corrected"]


async def test_a_tenant_changes_nothing_else(lending: Floor) -> None:
    engine, tenant = lending.engine, lending.scopes["sme-a"]
    free = Interval(start=WEDNESDAY, until=Instant(WEDNESDAY + HOUR))
    for attempt in (
        hand_overs.hand_over(tenant, engine, "mill-1", booked("sme-a", free.start, free.until)),
        hand_overs.hand_over(tenant, engine, "mill-1", booked("sme-b", MONDAY, TUESDAY)),
        hand_overs.extend(tenant, engine, "mill-1", MONDAY, WEDNESDAY),
        hand_overs.correct(tenant, engine, "mill-1", MONDAY, booked("sme-a", MONDAY, WEDNESDAY), reason="more"),
        trials.extend(tenant, engine, "trial-of-sme-a", WEDNESDAY),
        trials.book(tenant, engine, [Part(asset="mill-1")], booked("sme-a", free.start, free.until, "more")),
    ):
        with pytest.raises(Forbidden, match="Only lab"):
            await attempt
    with pytest.raises(TenureConflict):  # the booking of sme-b, or none: it is not told
        await hand_overs.return_early(tenant, engine, "mill-1", Instant(TUESDAY + HOUR))
    with pytest.raises(TenureConflict):
        await hand_overs.return_early(tenant, engine, "mill-1", Instant(WEDNESDAY + HOUR))
    assert [one for one in await timeline(lending, "lab", "mill-1") if one[0] != "lab"] == [
        ("sme-a", MONDAY, TUESDAY),
        ("sme-b", TUESDAY, WEDNESDAY),
    ] * 2


async def test_whoever_has_no_part_in_a_machine_is_told_that_it_is_not_there(lending: Floor) -> None:
    engine, nobody = lending.engine, lending.scopes["outsider"]
    told = set()
    for asset in (ROBOT, "mill-1", "mill-9"):
        for attempt in (
            hand_overs.hand_over(nobody, engine, asset, booked("outsider", WEDNESDAY, WEDNESDAY + HOUR)),
            hand_overs.extend(nobody, engine, asset, MONDAY, WEDNESDAY),
            hand_overs.return_early(nobody, engine, asset, Instant(MONDAY + HOUR)),
            hand_overs.correct(nobody, engine, asset, MONDAY, None, reason="x"),
        ):
            with pytest.raises(NotFound) as missing:
                await attempt
            told.add(str(missing.value).replace(asset, "…"))
        assert await tenure_events.events(nobody, engine, asset) == ()
    for trial in ("trial-of-sme-a", "none"):
        with pytest.raises(NotFound) as missing:
            await trials.return_early(nobody, engine, trial, Instant(MONDAY + HOUR))
        told.add(str(missing.value).replace(trial, "…"))
    assert len(told) == 2


async def test_a_booking_in_the_way_is_told_to_its_owner_without_a_name(lending: Floor) -> None:
    owner, engine, start = lending.scopes["sme-b"], lending.engine, soon()
    await hand_overs.hand_over(lending.scopes["lab"], engine, ROBOT, booked("sme-a", start, start + HOUR, "secret"))
    with pytest.raises(TenureConflict) as refused:
        await hand_overs.hand_over(owner, engine, ROBOT, booked("outsider", start, start + 2 * HOUR))
    assert not {"sme-a", "secret"} & {*str(refused.value).split()}


async def test_the_home_owner_sees_its_machine_s_bookings_with_the_scope_alone(lending: Floor) -> None:
    assert {owner for owner, *_ in await timeline(lending, "sme-b")} == {"sme-b"}
    assert {owner for owner, *_ in await timeline(lending, "sme-b", "mill-1")} == {"sme-b"}
    await hand_overs.hand_over(lending.scopes["lab"], lending.engine, ROBOT, booked("sme-a", MONDAY, TUESDAY))
    assert ("sme-a", MONDAY, TUESDAY) in await timeline(lending, "sme-b")
    reader = await keys.authenticate(lending.engine, lending.tokens["sme-b"])
    listed = await tenures.listed(reader, lending.engine)
    assert {one.tenure.owner for one in listed} == {"sme-b"}
    history = await tenure_events.events(reader, lending.engine, ROBOT)
    assert {entry.tenure.owner for event in history for entry in (*event.removed, *event.added)} == {"sme-b"}


def rows(lending: Floor, who: str) -> dict[str, dict[str, Any]]:
    """The tenures of the robot with their ids, as the administrator knows them, by owner and start."""
    with psycopg.connect(lending.database.admin) as admin:
        adapt(admin)
        found = admin.execute(
            "SELECT t.id, t.start, t.until FROM fieldlab.tenure AS t"
            " JOIN fieldlab.participant AS p ON p.id = t.owner_id"
            " WHERE p.slug = %s AND t.stream_id = %s ORDER BY t.start",
            [who, lending.streams[JOINT]],
        ).fetchall()
    return {str(start): {"id": id_, "start": str(start), "until": str(until)} for id_, start, until in found}


@pytest.mark.parametrize("who", ["sme-a", "sme-b", "outsider"])
async def test_the_database_itself_lets_nobody_take_another_s_past(lending: Floor, who: str) -> None:
    await hand_overs.hand_over(lending.scopes["lab"], lending.engine, ROBOT, booked("sme-a", MONDAY, TUESDAY))
    taken = "sme-a" if who != "sme-a" else "sme-b"
    gone = next(iter(rows(lending, taken).values()))
    added = [{"stream": lending.streams[JOINT], "owner": who, "booked": True, "trial": None, **gone}]
    with lending.bound(who) as attacker, pytest.raises(psycopg.Error) as refused:
        attacker.execute(
            "SELECT visible.amend_tenures(%s, 'correct', %s, %s::jsonb, '')", [ROBOT, [gone["id"]], json.dumps(added)]
        )
    assert refused.value.sqlstate in {"42501", "40001", "P0002"}


async def test_what_is_put_in_covers_what_is_taken_out_and_no_other_time(lending: Floor) -> None:
    (own,) = rows(lending, "sme-b").values()
    stream = lending.streams[JOINT]
    for added in (
        [],
        [{"stream": stream, "owner": "sme-a", "booked": True, "start": str(MONDAY), "until": str(TUESDAY)}],
        [{"stream": stream, "owner": "sme-a", "booked": False, "start": "-infinity", "until": "infinity"}],
        [{"stream": stream, "owner": "nobody", "booked": True, "start": "-infinity", "until": "infinity"}],
    ):
        with pytest.raises(psycopg.Error), lending.bound("sme-b") as attacker:  # at the statement, or at the commit
            attacker.execute(
                "SELECT visible.amend_tenures(%s, 'hand_over', %s, %s::jsonb, '')",
                [ROBOT, [own["id"]], json.dumps(added)],
            )
    assert await timeline(lending, "sme-b") == [("sme-b", NEVER, FOREVER)]


async def test_of_a_hidden_machine_the_database_tells_what_it_tells_of_none(lending: Floor) -> None:
    told = set()
    for asset in (ROBOT, "mill-1", "mill-9"):
        for removed in ([], [1], [2]):
            with lending.bound("outsider") as attacker, pytest.raises(psycopg.Error) as refused:
                attacker.execute("SELECT visible.amend_tenures(%s, 'correct', %s, '[]', '')", [asset, removed])
            told.add((refused.value.sqlstate, str(refused.value.diag.message_primary)))
    assert len(told) == 1


async def test_a_key_without_the_scope_changes_nothing(lending: Floor) -> None:
    reader: ReadScope = await keys.authenticate(lending.engine, lending.tokens["sme-b"])
    with pytest.raises(Forbidden, match="tenures:write"):
        await hand_overs.hand_over(reader, lending.engine, ROBOT, booked("sme-a", MONDAY, TUESDAY))
    with psycopg.connect(lending.database.api) as attacker:
        attacker.execute("SELECT visible.bind(%s)", [reader.credential.digest])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            attacker.execute("SELECT visible.amend_tenures(%s, 'correct', '{}', '[]', '')", [ROBOT])
