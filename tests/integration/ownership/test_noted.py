"""No row of a measurement leaves the database for a request that is not in the ledger, whatever SQL asks for it."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID, uuid4

import psycopg
import pytest

from fieldlab.ownership.access import AccessKind, End
from fieldlab.ownership.interval import Interval
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.storage import read, sealing
from fieldlab.storage.selection import Selection
from tests.integration.ownership.floor import CURRENT, MONDAY, STATE, TUESDAY, Floor

DENIED: Final = psycopg.errors.InsufficientPrivilege
COUNT: Final = 600

READS: Final = {
    "packed": "SELECT coalesce(sum(samples), 0) FROM visible.packed_samples('{0}', %(streams)s, %(starts)s, "
    "%(untils)s, '{NULL}', false, true, 1000000)",
    "buckets": "SELECT coalesce(sum(count), 0) FROM visible.buckets('{0}', %(streams)s, %(tenures)s, %(starts)s, "
    "%(untils)s, 1000000, false, 1000000)",
    "rolled": "SELECT coalesce(sum(count), 0) FROM visible.buckets('{0}', %(streams)s, %(tenures)s, %(starts)s, "
    "%(untils)s, 60000000, false, 1000000, NULL, NULL, '{count}', true)",
    "chart": "SELECT count(*) FROM visible.chart('{0}', %(streams)s, %(tenures)s, %(starts)s, %(untils)s, 20000)",
    "latest": "SELECT count(*) FROM visible.latest(%(streams)s)",
    "in force": "SELECT count(*) FROM visible.in_force(%(streams)s, %(start)s)",
}
"""Every function that gives measurements to who asks for them, as the number of rows that it read."""

ARRAYS: Final = "%(streams)s, %(tenures)s, %(starts)s, %(untils)s"
NOTE: Final = "SELECT visible.note_access(%(id)s, 'measurements', '{}', NULL, " + ARRAYS + ", NULL, NULL)"


@pytest.fixture
def tenure(floor: Floor) -> int:
    """Give sme-a a sample a second for ten minutes, and tell the tenure that they lie in."""
    floor.store(CURRENT, [(Instant(MONDAY + n * SECOND), float(n)) for n in range(COUNT)])
    floor.store(STATE, [(MONDAY, "milling")])
    with psycopg.connect(floor.database.admin) as admin:
        row = admin.execute(
            "SELECT id FROM fieldlab.tenure WHERE stream_id = %s AND start = %s", [floor.streams[CURRENT], str(MONDAY)]
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def attacker(floor: Floor) -> Iterator[psycopg.Connection]:
    with psycopg.connect(floor.database.api, autocommit=True) as connection:
        yield connection


def bind(attacker: psycopg.Connection, floor: Floor, who: str = "sme-a") -> None:
    attacker.execute("SELECT visible.bind(%s)", [floor.scopes[who].credential.digest])


def asked(floor: Floor, tenure: int, start: int = MONDAY, until: int = TUESDAY, **changed: object) -> dict[str, object]:
    """The parameters of a note, or of a read, of one stretch of the current."""
    bounds = str(Instant(start)), str(Instant(until))
    one = {"stream": floor.streams[CURRENT], "start": bounds[0], "until": bounds[1], "id": uuid4()}
    arrays = {"streams": [one["stream"]], "tenures": [tenure], "starts": [bounds[0]], "untils": [bounds[1]]}
    return {**one, **arrays, **changed}


def found(attacker: psycopg.Connection, statement: str, parameters: dict[str, object]) -> int:
    row = attacker.execute(statement.encode(), parameters).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("statement", READS.values(), ids=READS)
def test_nothing_is_read_that_was_not_noted(
    floor: Floor, attacker: psycopg.Connection, tenure: int, statement: str
) -> None:
    whole = asked(floor, tenure)
    with attacker.transaction(force_rollback=True):
        bind(attacker, floor)
        attacker.execute(NOTE.encode(), whole)
        assert found(attacker, statement, whole) > 0
    with attacker.transaction():
        bind(attacker, floor)
        with pytest.raises(DENIED, match="not in the ledger"), attacker.transaction():
            found(attacker, statement, whole)
    with attacker.transaction():
        assert found(attacker, statement, whole) == 0


@pytest.mark.parametrize("statement", READS.values(), ids=READS)
def test_no_more_is_read_than_was_noted(
    floor: Floor, attacker: psycopg.Connection, tenure: int, statement: str
) -> None:
    """An entry that tells of another stream, an earlier time or a part of what is asked opens nothing else."""
    whole = asked(floor, tenure)
    earlier = asked(floor, tenure, MONDAY, MONDAY + 10 * SECOND)
    with psycopg.connect(floor.database.admin) as admin:
        row = admin.execute(
            "SELECT id FROM fieldlab.tenure WHERE stream_id = %s AND start = %s", [floor.streams[STATE], str(MONDAY)]
        ).fetchone()
    other = asked(floor, row[0] if row else 0, streams=[floor.streams[STATE]])
    empty = {**whole, "streams": [], "tenures": [], "starts": [], "untils": []}
    later = asked(floor, tenure, MONDAY + 20 * SECOND, TUESDAY)
    for noted, read_, most in ((earlier, whole, 10), (other, whole, 0), (empty, whole, 0), (earlier, later, 0)):
        with attacker.transaction(force_rollback=True):
            bind(attacker, floor)
            attacker.execute(NOTE.encode(), noted)
            assert found(attacker, statement, read_) <= (0 if "latest" in statement else most)


@pytest.mark.parametrize("statement", READS.values(), ids=READS)
def test_the_entry_of_a_live_answer_opens_nothing_else(
    floor: Floor, attacker: psycopg.Connection, tenure: int, statement: str
) -> None:
    """Its stretches may reach beyond the tenures that it names, so its owners may be others than those of the rows."""
    with psycopg.connect(floor.database.admin) as admin:
        row = admin.execute(
            "SELECT id FROM fieldlab.tenure WHERE stream_id = %s AND until = %s", [floor.streams[CURRENT], str(MONDAY)]
        ).fetchone()
    assert row is not None
    whole = asked(floor, tenure)
    for named in (tenure, row[0]):
        noted = {**whole, "id": uuid4(), "tenures": [named]}
        with attacker.transaction():
            bind(attacker, floor)
            attacker.execute(NOTE.replace("'measurements'", "'live'").encode(), noted)
            with pytest.raises(DENIED, match="not in the ledger"), attacker.transaction():
                found(attacker, statement, whole)


@pytest.mark.parametrize("forged", ["", "x", "'", str(UUID(int=7)), "0" * 36, f"{UUID(int=7)} "])
def test_a_forged_name_of_an_entry_opens_nothing(
    floor: Floor, attacker: psycopg.Connection, tenure: int, forged: str
) -> None:
    with attacker.transaction():
        bind(attacker, floor)
        attacker.execute("SELECT set_config('fieldlab.access', %s, false)", [forged])
        with pytest.raises(DENIED), attacker.transaction():
            found(attacker, READS["packed"], asked(floor, tenure))


def test_an_entry_opens_nothing_when_it_is_undone_ended_or_another_s(
    floor: Floor, attacker: psycopg.Connection, tenure: int
) -> None:
    """Undone in a savepoint or with its transaction; ended; noted by somebody else; its rows told at once."""

    def refused(id_: object, who: str = "sme-a") -> None:
        with attacker.transaction():
            bind(attacker, floor, who)
            attacker.execute("SELECT set_config('fieldlab.access', %s, true)", [str(id_)])
            with pytest.raises(DENIED), attacker.transaction():
                found(attacker, READS["packed"], asked(floor, tenure))

    undone, ended, running = (asked(floor, tenure) for _ in range(3))
    with attacker.transaction():
        bind(attacker, floor)
        with attacker.transaction(force_rollback=True):
            attacker.execute(NOTE.encode(), undone)
            assert found(attacker, READS["packed"], undone) == COUNT
        attacker.execute("SELECT set_config('fieldlab.access', %s, true)", [str(undone["id"])])
        with pytest.raises(DENIED), attacker.transaction():
            found(attacker, READS["packed"], undone)
    refused(undone["id"])
    for noted in (ended, running):
        with attacker.transaction():
            bind(attacker, floor)
            attacker.execute(NOTE.encode(), noted)
    attacker.execute(
        "SELECT visible.end_accesses(jsonb_build_array(jsonb_build_object("
        "'access', %s::text, 'outcome', 'answered', 'reason', '', 'rows', '[600]'::jsonb)))",
        [str(ended["id"])],
    )
    refused(ended["id"])
    refused(running["id"], who="sme-b")
    with attacker.transaction():
        bind(attacker, floor)
        attacker.execute("SELECT set_config('fieldlab.access', %s, true)", [str(running["id"])])
        assert found(attacker, READS["packed"], running) == COUNT
    told = asked(floor, tenure)
    with attacker.transaction():
        bind(attacker, floor)
        attacker.execute(NOTE.replace("NULL, NULL)", "NULL, '{600}')").encode(), told)
        assert found(attacker, READS["packed"], told) == COUNT
    refused(told["id"])


def test_an_entry_names_the_true_owner_of_every_stretch(
    floor: Floor, attacker: psycopg.Connection, tenure: int
) -> None:
    """Whoever notes cannot hide an access from its owner behind another's tenure, or reach beyond the one it names."""
    with psycopg.connect(floor.database.admin) as admin:
        tenures: dict[str, int] = dict(
            admin.execute("SELECT start::text, id FROM fieldlab.tenure WHERE stream_id = 1").fetchall()
        )
        joint = admin.execute(
            "SELECT id FROM fieldlab.tenure WHERE stream_id = %s", [floor.streams["robot-1.joint"]]
        ).fetchone()
    assert len(tenures) == 4
    assert joint is not None
    beyond = asked(floor, tenure, MONDAY, TUESDAY + 1)
    another_stream = asked(floor, joint[0])
    another_s = asked(floor, next(id_ for start, id_ in tenures.items() if start.startswith("2026-11-17")))
    for lie in (beyond, another_stream, another_s, asked(floor, 10**9)):
        with attacker.transaction():
            bind(attacker, floor)
            with pytest.raises(psycopg.errors.CheckViolation), attacker.transaction():
                attacker.execute(NOTE.encode(), lie)


@pytest.mark.parametrize("bounds", ["starts", "untils", "streams", "under"])
def test_arrays_that_begin_elsewhere_reach_no_further(
    floor: Floor, attacker: psycopg.Connection, tenure: int, bounds: str
) -> None:
    """PostgreSQL's arrays may begin at any index: a place that is not there must not mean without a bound."""
    ten = asked(floor, tenure, MONDAY, MONDAY + 10 * SECOND)
    values: dict[str, object] = {
        "streams": f"{{{ten['stream']}}}",
        "starts": f"{{{ten['start']}}}",
        "untils": f"{{{ten['until']}}}",
        "tenures": f"{{{tenure}}}",
        "under": "{NULL}",
    }
    shifted = {**ten, **values, bounds: f"[2:2]={values[bounds]}"}
    packed = (
        "SELECT coalesce(sum(samples), 0) FROM visible.packed_samples('{0}', %(streams)s::integer[], "
        "%(starts)s::timestamptz[], %(untils)s::timestamptz[], %(under)s::uuid[], false, true, 1000000)"
    )
    note = NOTE.replace(ARRAYS + ", NULL", ARRAYS + ", %(under)s::uuid[]")
    for noted in (values, shifted):
        with attacker.transaction(force_rollback=True):
            bind(attacker, floor)
            try:
                attacker.execute(note.encode(), {**ten, **noted})
            except psycopg.errors.CheckViolation:
                continue
            assert found(attacker, packed, shifted) <= 10


async def test_later_batches_are_read_for_the_entry_of_their_answer(floor: Floor) -> None:
    floor.store(CURRENT, [(Instant(MONDAY + n * SECOND), float(n)) for n in range(2 * read.FIRST)])
    asked_ = Selection(streams=(CURRENT,), interval=Interval(start=MONDAY, until=TUESDAY))
    answer = await read.measurements(floor.scopes["sme-a"], floor.pool, asked_)
    assert answer.access is not None
    assert answer.rest is not None
    assert len(answer.rows) + sum([len(batch) async for batch in answer.rest]) == 2 * read.FIRST
    assert await sealing.end(floor.engine, [End(access=answer.access.id, rows=[2 * read.FIRST])]) == 1
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async for _ in answer.rest:
            pass


@pytest.mark.parametrize("changed", [{}, {"step": MINUTE}])
async def test_a_part_without_an_entry_is_refused(floor: Floor, changed: dict[str, int]) -> None:
    floor.store(CURRENT, [(MONDAY, 1.0)])
    for entry in (None, UUID(int=1)):
        asked_ = Selection(
            streams=(CURRENT,),
            interval=Interval(start=MONDAY, until=TUESDAY),
            kind=None,
            entry=entry,
            limit=10,
            step=changed.get("step"),
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await read.measurements(floor.scopes["sme-a"], floor.pool, asked_)
    assert AccessKind.MEASUREMENTS is Selection(streams=(CURRENT,), interval=asked_.interval).kind
