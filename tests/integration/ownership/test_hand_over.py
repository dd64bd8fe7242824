"""Hand-overs, one at a time and all at once: timelines stay total and disjoint, and the history tells what happened."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from fieldlab.assets.lab import DeclaredStream
from fieldlab.assets.participant import Permission
from fieldlab.errors import Conflict, Forbidden, InvalidInterval, NotFound, TenureConflict
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.tenure import Tenure, check
from fieldlab.readings.instant import MINUTE, Instant
from fieldlab.storage import hand_overs, read, tenures
from fieldlab.storage.database import adapt, open_engine
from fieldlab.storage.declare import declare
from fieldlab.storage.selection import Selection
from tests.integration.ownership.floor import CURRENT, JOINT, LAB, MONDAY, STATE, TUESDAY, WEDNESDAY, Floor

HOUR = 60 * MINUTE


def booking(owner: str, start: int, until: int, *, trial: str | None = None) -> Tenure:
    return Tenure(owner=owner, trial=trial, interval=Interval(start=Instant(start), until=Instant(until)), booked=True)


@pytest.fixture
def admin(floor: Floor) -> Iterator[psycopg.Connection]:
    with psycopg.connect(floor.database.admin, autocommit=True) as connection:
        adapt(connection)
        yield connection


def timeline(admin: psycopg.Connection, stream: int) -> list[tuple[str, int, int, bool]]:
    rows = admin.execute(
        "SELECT p.slug, t.start, t.until, t.booked FROM fieldlab.tenure AS t "
        "JOIN fieldlab.participant AS p ON p.id = t.owner_id WHERE stream_id = %s ORDER BY start",
        [stream],
    ).fetchall()
    check([Tenure(owner=slug, interval=Interval(start=start, until=until)) for slug, start, until, _ in rows])
    return rows


def replayed(admin: psycopg.Connection, asset: str) -> list[str]:
    """Rebuild an asset's tenures from its history, beginning with the home owner's."""
    rows = admin.execute(
        "SELECT e.removed, e.added FROM fieldlab.tenure_event AS e JOIN fieldlab.asset AS a ON a.id = e.asset_id "
        "WHERE a.slug = %s ORDER BY e.id",
        [asset],
    ).fetchall()
    first = admin.execute(
        "SELECT jsonb_build_object('stream_id', s.id, 'owner_id', a.home_owner_id, 'trial_id', NULL, "
        "'start', '-infinity', 'until', 'infinity', 'booked', false) "
        "FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id WHERE a.slug = %s",
        [asset],
    ).fetchall()
    state = {json.dumps(tenure, sort_keys=True) for (tenure,) in first}
    for removed, added in rows:
        gone = {json.dumps(tenure, sort_keys=True) for tenure in removed}
        assert gone <= state
        state = (state - gone) | {json.dumps(tenure, sort_keys=True) for tenure in added}
    return sorted(state)


def stored(admin: psycopg.Connection, asset: str) -> list[str]:
    rows = admin.execute(
        "SELECT to_jsonb(t) - 'id' FROM fieldlab.tenure AS t JOIN fieldlab.stream AS s ON s.id = t.stream_id "
        "JOIN fieldlab.asset AS a ON a.id = s.asset_id WHERE a.slug = %s",
        [asset],
    ).fetchall()
    return sorted(json.dumps(tenure, sort_keys=True) for (tenure,) in rows)


async def test_a_recording_is_not_handed_over(floor: Floor, admin: psycopg.Connection) -> None:
    admin.execute("UPDATE fieldlab.asset SET nature = 'replay' WHERE slug = 'robot-1'")
    with pytest.raises(Conflict, match="a recording: what it plays stays its owner's"):
        await hand_overs.hand_over(floor.scopes["lab"], floor.engine, "robot-1", booking("sme-a", MONDAY, TUESDAY))
    assert timeline(admin, floor.streams[JOINT]) == [("sme-b", ALWAYS.start, ALWAYS.until, False)]


async def test_a_hand_over_takes_the_home_owner_s_time_only(floor: Floor, admin: psycopg.Connection) -> None:
    for stream in (CURRENT, STATE):
        assert timeline(admin, floor.streams[stream]) == [
            ("lab", ALWAYS.start, MONDAY, False),
            ("sme-a", MONDAY, TUESDAY, True),
            ("sme-b", TUESDAY, WEDNESDAY, True),
            ("lab", WEDNESDAY, ALWAYS.until, False),
        ]


async def test_the_history_replayed_gives_the_tenures_that_stand(floor: Floor, admin: psycopg.Connection) -> None:
    await hand_overs.hand_over(
        floor.scopes["lab"], floor.engine, "mill-1", booking("sme-a", WEDNESDAY, WEDNESDAY + HOUR)
    )
    await hand_overs.return_early(floor.scopes["lab"], floor.engine, "mill-1", Instant(TUESDAY + HOUR))
    assert replayed(admin, "mill-1") == stored(admin, "mill-1")
    principals = admin.execute("SELECT DISTINCT principal FROM fieldlab.tenure_event").fetchall()
    assert principals == [("somebody at lab",)]


async def test_after_an_early_return_the_rest_is_the_home_owner_s(floor: Floor, admin: psycopg.Connection) -> None:
    await hand_overs.return_early(floor.scopes["lab"], floor.engine, "mill-1", Instant(TUESDAY + HOUR))
    assert timeline(admin, floor.streams[CURRENT])[2:] == [
        ("sme-b", TUESDAY, TUESDAY + HOUR, True),
        ("lab", TUESDAY + HOUR, ALWAYS.until, False),
    ]
    with pytest.raises(TenureConflict):
        await hand_overs.return_early(floor.scopes["lab"], floor.engine, "mill-1", Instant(TUESDAY + 2 * HOUR))


@pytest.mark.parametrize("attempt", range(5))
async def test_of_two_hand_overs_at_once_one_wins(floor: Floor, admin: psycopg.Connection, attempt: int) -> None:
    start = WEDNESDAY + attempt * HOUR
    wanted = [booking("sme-a", start, start + 2 * HOUR), booking("sme-b", start + HOUR, start + 3 * HOUR)]
    results = await asyncio.gather(
        *(hand_overs.hand_over(floor.scopes["lab"], floor.engine, "mill-1", one) for one in wanted),
        return_exceptions=True,
    )
    (lost,) = [result for result in results if isinstance(result, BaseException)]
    assert isinstance(lost, TenureConflict)
    assert "sme-" not in str(lost)
    won = wanted[0] if results[1] is lost else wanted[1]
    assert (won.owner, won.interval.start, won.interval.until, True) in timeline(admin, floor.streams[CURRENT])
    assert replayed(admin, "mill-1") == stored(admin, "mill-1")


async def test_hand_overs_at_once_of_different_times_all_win(floor: Floor, admin: psycopg.Connection) -> None:
    wanted = [booking("sme-a", WEDNESDAY + hour * HOUR, WEDNESDAY + (hour + 1) * HOUR) for hour in (0, 2, 4)]
    await asyncio.gather(*(hand_overs.hand_over(floor.scopes["lab"], floor.engine, "mill-1", one) for one in wanted))
    assert len(timeline(admin, floor.streams[CURRENT])) == 3 + 2 * 3
    assert replayed(admin, "mill-1") == stored(admin, "mill-1")


@pytest.mark.parametrize(("start", "until"), [(-HOUR, HOUR), (0, HOUR), (HOUR, 2 * HOUR), (23 * HOUR, 25 * HOUR)])
async def test_a_tenant_never_loses_time_to_another_s_booking(floor: Floor, start: int, until: int) -> None:
    with pytest.raises(TenureConflict) as refused:
        await hand_overs.hand_over(
            floor.scopes["lab"], floor.engine, "mill-1", booking("outsider", MONDAY + start, MONDAY + until)
        )
    assert "sme" not in str(refused.value)


async def test_what_cannot_be_booked_is_said(floor: Floor) -> None:
    lab, engine = floor.scopes["lab"], floor.engine
    free = WEDNESDAY + HOUR
    with pytest.raises(NotFound, match="nobody"):
        await hand_overs.hand_over(lab, engine, "mill-1", booking("nobody", free, free + HOUR))
    with pytest.raises(NotFound, match="mill-2"):
        await hand_overs.hand_over(lab, engine, "mill-2", booking("sme-a", free, free + HOUR))
    with pytest.raises(InvalidInterval, match="whole minute"):
        await hand_overs.hand_over(lab, engine, "mill-1", booking("sme-a", free + 1, free + HOUR))
    with pytest.raises(Conflict, match="trial"):
        await hand_overs.hand_over(lab, engine, "mill-1", booking("sme-a", free, free + HOUR, trial="trial-of-sme-b"))
    with pytest.raises(Forbidden, match="tenures:write"):
        await hand_overs.hand_over(floor.scopes["sme-a"], engine, "mill-1", booking("sme-a", free, free + HOUR))


async def test_a_pretended_permission_changes_nothing(floor: Floor) -> None:
    """Whoever has got past the code of the query service still meets the database."""
    pretender = replace(floor.scopes["sme-a"], permissions=frozenset(Permission))
    with pytest.raises(NotFound):
        await hand_overs.hand_over(pretender, floor.engine, "robot-1", booking("sme-a", WEDNESDAY, WEDNESDAY + HOUR))


AMEND = "SELECT visible.amend_tenures(%s, %s, %s, %s::jsonb)"


def put_in(
    stream: int, owner: str, start: str = "-infinity", until: str = "infinity", **more: object
) -> dict[str, object]:
    return {"stream": stream, "owner": owner, "start": start, "until": until, "booked": False, "trial": None, **more}


@pytest.mark.parametrize("participant", ["sme-a", "sme-b", "outsider", None])
def test_tenures_are_amended_by_an_administrator_only(floor: Floor, participant: str | None) -> None:
    connection = floor.bound(participant) if participant else psycopg.connect(floor.database.api)
    with connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(AMEND, ["mill-1", "hand_over", [], "[]"])


def test_tenures_of_another_asset_cannot_be_smuggled_out(floor: Floor, admin: psycopg.Connection) -> None:
    (id_,) = (
        admin.execute("SELECT id FROM fieldlab.tenure WHERE stream_id = %s", [floor.streams[JOINT]]).fetchone() or ()
    )
    with floor.bound("lab") as connection, pytest.raises(psycopg.errors.SerializationFailure):
        connection.execute(AMEND, ["mill-1", "return", [id_], "[]"])


def test_tenures_of_another_asset_cannot_be_smuggled_in(floor: Floor, admin: psycopg.Connection) -> None:
    (id_,) = (
        admin.execute("SELECT id FROM fieldlab.tenure WHERE stream_id = %s", [floor.streams[JOINT]]).fetchone() or ()
    )
    stolen = json.dumps([put_in(floor.streams[JOINT], "lab")])
    for take_out in ([], [id_]):
        with floor.bound("lab") as connection, pytest.raises(psycopg.Error) as refused:
            connection.execute(AMEND, ["mill-1", "return", take_out, stolen])
        assert refused.value.sqlstate in {"23503", "40001"}
    assert timeline(admin, floor.streams[JOINT]) == [("sme-b", ALWAYS.start, ALWAYS.until, False)]
    assert admin.execute("SELECT count(*) FROM fieldlab.tenure_event").fetchone() == (2,)


def test_a_hand_over_by_sql_takes_nothing_that_is_booked(floor: Floor, admin: psycopg.Connection) -> None:
    (id_,) = (
        admin.execute(
            "SELECT t.id FROM fieldlab.tenure t WHERE stream_id = %s AND start = %s", [floor.streams[CURRENT], MONDAY]
        ).fetchone()
        or ()
    )
    stolen = json.dumps([put_in(floor.streams[CURRENT], "lab", str(MONDAY), str(TUESDAY))])
    with floor.bound("lab") as connection, pytest.raises(psycopg.errors.ExclusionViolation):
        connection.execute(AMEND, ["mill-1", "hand_over", [id_], stolen])


def test_an_amendment_that_leaves_a_hole_is_refused_at_commit(floor: Floor, admin: psycopg.Connection) -> None:
    (id_,) = (
        admin.execute("SELECT max(id) FROM fieldlab.tenure WHERE stream_id = %s", [floor.streams[STATE]]).fetchone()
        or ()
    )
    connection = floor.bound("lab")
    connection.execute(AMEND, ["mill-1", "return", [id_], "[]"])
    with pytest.raises(psycopg.errors.ExclusionViolation), connection:
        connection.commit()
    connection.close()
    assert len(timeline(admin, floor.streams[STATE])) == 4


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM fieldlab.tenure WHERE booked",
        "DELETE FROM fieldlab.tenure",
        "TRUNCATE fieldlab.tenure",
        "UPDATE fieldlab.tenure SET until = until - interval '1 hour' WHERE booked",
        "UPDATE fieldlab.tenure SET until = until + interval '1 hour' WHERE booked",
        "UPDATE fieldlab.tenure SET until = start WHERE booked",
        "UPDATE fieldlab.tenure SET until = until - interval '1 second' WHERE booked",
        "UPDATE fieldlab.tenure SET start = '-infinity' WHERE booked",
        "UPDATE fieldlab.tenure SET start = NULL",
        "INSERT INTO fieldlab.tenure (stream_id, owner_id, booked, start, until) SELECT 1, 1, true, now(), 'infinity'",
        "INSERT INTO fieldlab.tenure (stream_id, owner_id, booked, start, until) SELECT 9, 1, true, '-infinity', now()",
        "DELETE FROM fieldlab.tenure WHERE stream_id = 2; UPDATE fieldlab.tenure SET stream_id = 2 WHERE stream_id = 1",
        "DELETE FROM fieldlab.stream WHERE id = 1",
        "DELETE FROM fieldlab.participant",
    ],
)
def test_the_database_refuses_a_hole_and_an_overlap_to_its_owner_too(
    floor: Floor, admin: psycopg.Connection, statement: str
) -> None:
    admin.execute("SET ROLE fieldlab_owner")
    with pytest.raises((psycopg.errors.IntegrityError, psycopg.errors.InsufficientPrivilege)), admin.transaction():
        admin.execute(statement.encode())
    assert len(timeline(admin, floor.streams[CURRENT])) == 4


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fieldlab.tenure_event SET principal = 'somebody else'",
        "DELETE FROM fieldlab.tenure_event",
        "TRUNCATE fieldlab.tenure_event",
        (
            "INSERT INTO fieldlab.tenure_event OVERRIDING SYSTEM VALUE TABLE fieldlab.tenure_event "
            "ON CONFLICT (id) DO UPDATE SET principal = 'somebody else'"
        ),
        "MERGE INTO fieldlab.tenure_event AS e USING fieldlab.asset AS a ON e.asset_id = a.id WHEN MATCHED THEN DELETE",
        "TRUNCATE fieldlab.asset CASCADE",
    ],
)
@pytest.mark.parametrize(
    "role", ["postgres", "fieldlab_owner", "fieldlab_gateway", "fieldlab_api", "fieldlab_maintainer"]
)
@pytest.mark.usefixtures("floor")
def test_the_history_cannot_be_edited(admin: psycopg.Connection, role: str, statement: str) -> None:
    before = admin.execute("SELECT * FROM fieldlab.tenure_event ORDER BY id").fetchall()
    admin.execute(f"SET ROLE {role}".encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        admin.execute(statement.encode())
    admin.execute("RESET ROLE")
    assert before
    assert admin.execute("SELECT * FROM fieldlab.tenure_event ORDER BY id").fetchall() == before


async def test_a_stream_added_to_a_booked_asset_is_its_tenants(floor: Floor, admin: psycopg.Connection) -> None:
    mill = LAB.assets["mill-1"]
    grown = mill.model_copy(
        update={"streams": {**mill.streams, "coolant": DeclaredStream(), "noise": DeclaredStream()}}
    )
    administration = open_engine(floor.database.admin, name="tests")
    with administration.begin() as connection:
        declare(connection, LAB.model_copy(update={"assets": {**LAB.assets, "mill-1": grown}}))
    administration.dispose()
    for name in ("mill-1.coolant", "mill-1.noise"):
        answer = await read.measurements(
            floor.scopes["sme-a"], floor.pool, Selection(streams=(name,), interval=ALWAYS, limit=1)
        )
        assert [(s.owner, s.interval) for s in answer.segments] == [("sme-a", Interval(start=MONDAY, until=TUESDAY))]
        (key,) = admin.execute("SELECT id FROM fieldlab.stream WHERE name = %s", [name.split(".")[1]]).fetchone() or ()
        assert timeline(admin, key) == timeline(admin, floor.streams[CURRENT])


async def test_tenures_are_listed_to_whom_they_concern(floor: Floor) -> None:
    seen = {
        who: {(t.asset, t.tenure.owner) for t in await tenures.listed(floor.scopes[who], floor.engine)}
        for who in floor.scopes
    }
    assert seen == {
        "sme-a": {("mill-1", "sme-a")},
        "sme-b": {("mill-1", "sme-b"), ("robot-1", "sme-b")},
        "outsider": set(),
        "lab": {("mill-1", "lab"), ("mill-1", "sme-a"), ("mill-1", "sme-b"), ("robot-1", "sme-b")},
    }
