"""Following data, as far as the database is concerned: each presented credential opens what its participant may see."""

from collections.abc import Sequence

import psycopg
import pytest

from fieldlab.assets.participant import Permission
from fieldlab.ownership.scope import Credential
from fieldlab.readings.instant import FOREVER, MINUTE, SECOND, Instant
from fieldlab.storage import keys
from fieldlab.storage.database import adapt, open_engine
from tests.integration.ownership.floor import CURRENT, JOINT, MONDAY, TUESDAY, Floor

FOLLOWS = frozenset({Permission.DATA_READ, Permission.DATA_LIVE})


def credential(floor: Floor, participant: str, permissions: frozenset[Permission] = FOLLOWS) -> bytes:
    """Issue a key, and give what of it is presented."""
    engine = open_engine(floor.database.admin, name="tests")
    with engine.begin() as connection:
        issued = keys.issue(
            connection, participant=participant, principal="p", permissions=permissions, expires_at=FOREVER
        )
    engine.dispose()
    return Credential.of(issued.token).digest


def moment(api: psycopg.Connection) -> bytes:
    row = api.execute("SELECT visible.moment()").fetchone()
    assert row is not None
    return bytes(row[0])


def arrive(floor: Floor, stream: str, times: Sequence[Instant]) -> None:
    """Store samples and note where they lie, as the gateway does."""
    key = floor.streams[stream]
    with psycopg.connect(floor.database.admin) as connection:
        adapt(connection)
        for time in times:
            connection.execute(
                "INSERT INTO fieldlab.measurement (stream_id, time, value) VALUES (%s, %s, 1.0)", [key, time]
            )
        connection.execute("SELECT fieldlab.note_arrival(%s, %s, %s)", [[key], [min(times)], [max(times)]])


def samples(
    api: psycopg.Connection, presented: list[bytes], watched: list[tuple[int, int]], since: bytes, before: bytes
) -> list[tuple[int, int, Instant]]:
    adapt(api)
    return api.execute(
        "SELECT listener, stream, time FROM visible.live_samples(%s, %s, %s, %s, %s, -1, '-infinity', 1000)",
        [presented, [place for place, _ in watched], [stream for _, stream in watched], since, before],
    ).fetchall()


def test_each_gets_its_own_alone_whoever_else_is_presented(floor: Floor) -> None:
    a, b = credential(floor, "sme-a"), credential(floor, "sme-b")
    current, joint = floor.streams[CURRENT], floor.streams[JOINT]
    with psycopg.connect(floor.database.api, autocommit=True) as api:
        since = moment(api)
        own = {"sme-a": Instant(MONDAY + SECOND), "sme-b": Instant(TUESDAY + SECOND)}
        arrive(floor, CURRENT, [Instant(MONDAY - SECOND), *own.values()])
        arrive(floor, JOINT, [own["sme-a"]])
        watched = [(place, stream) for place in (1, 2) for stream in (current, joint)]
        assert samples(api, [a, b], watched, since, moment(api)) == [
            (1, current, own["sme-a"]),
            (2, current, own["sme-b"]),
            (2, joint, own["sme-a"]),
        ]
        assert samples(api, [a], [(1, joint), (2, joint)], since, moment(api)) == []


@pytest.mark.parametrize("void", ["unknown", "without data:live", "revoked"])
def test_what_is_no_credential_opens_nothing(floor: Floor, void: str) -> None:
    presented = credential(floor, "sme-a", FOLLOWS if void == "revoked" else frozenset({Permission.DATA_READ}))
    if void == "unknown":
        presented = presented[::-1]
    if void == "revoked":
        with psycopg.connect(floor.database.admin) as admin:
            admin.execute("UPDATE fieldlab.credential SET revoked_at = now()")
    with psycopg.connect(floor.database.api, autocommit=True) as api:
        since = moment(api)
        arrive(floor, CURRENT, [Instant(MONDAY + SECOND)])
        assert samples(api, [presented], [(1, floor.streams[CURRENT])], since, moment(api)) == []
        assert api.execute("SELECT * FROM visible.listeners(%s)", [[presented]]).fetchall() == []
        rights = "SELECT * FROM visible.live_rights(%s, ARRAY[1], ARRAY[%s::integer], '-infinity')"
        assert api.execute(rights, [[presented], floor.streams[CURRENT]]).fetchall() == []


def test_between_two_moments_lies_what_the_second_sees_and_the_first_does_not(floor: Floor) -> None:
    """Whatever order transactions began in, took their numbers and ended: each row lies in one stretch alone."""
    a = credential(floor, "sme-a")
    key = floor.streams[CURRENT]
    times = [Instant(MONDAY + second * SECOND) for second in range(4)]
    arrive(floor, CURRENT, [Instant(MONDAY + MINUTE)])  # a new chunk would hold the others up until the first has ended
    open_: list[psycopg.Connection] = []
    for time in times:
        connection = psycopg.connect(floor.database.admin)
        adapt(connection)
        connection.execute("INSERT INTO fieldlab.measurement (stream_id, time, value) VALUES (%s, %s, 1)", [key, time])
        connection.execute("SELECT fieldlab.note_arrival(%s, %s, %s)", [[key], [times[0]], [times[-1]]])
        open_.append(connection)
    seen = []
    with psycopg.connect(floor.database.api, autocommit=True) as api:
        moments = [moment(api)]
        for at in (2, 0, 3, 1):
            open_[at].commit()
            open_[at].close()
            moments.append(moment(api))
            seen += [row[2] for row in samples(api, [a], [(1, key)], moments[-2], moments[-1])]
        assert seen == [times[at] for at in (2, 0, 3, 1)]
        assert [row[2] for row in samples(api, [a], [(1, key)], moments[0], moments[-1])] == times
        assert [row[2] for row in samples(api, [a], [(1, key)], moments[1], moments[3])] == [times[0], times[3]]


def test_a_moment_that_the_database_did_not_seal_opens_nothing(floor: Floor) -> None:
    a = credential(floor, "sme-a")
    with psycopg.connect(floor.database.api, autocommit=True) as api:
        since = moment(api)
        arrive(floor, CURRENT, [Instant(MONDAY + SECOND)])
        before = moment(api)
        assert len(samples(api, [a], [(1, floor.streams[CURRENT])], since, before)) == 1
        for at in (0, 20, len(since) - 1):
            edited = since[:at] + bytes([since[at] ^ 1]) + since[at + 1 :]
            assert samples(api, [a], [(1, floor.streams[CURRENT])], edited, before) == []
            assert api.execute("SELECT visible.remembers(%s)", [edited]).fetchone() == (False,)
        assert api.execute("SELECT visible.remembers(%s)", [since]).fetchone() == (True,)
        assert since != moment(api)
