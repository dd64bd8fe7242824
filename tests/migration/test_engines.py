"""One contract on every engine: the same relations, columns, rights and answers; moving up keeps the data."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fieldlab.storage.database import adapt
from migrations import runner
from migrations.engine import Engine as Kind
from migrations.runner import migrate
from tests.servers.database import Database, blank
from tests.servers.engine import Engine

RELATIONS = """
    SELECT table_schema, table_name, column_name, ordinal_position, data_type, is_nullable, column_default,
           is_identity
    FROM information_schema.columns WHERE table_schema IN ('fieldlab', 'visible')
    ORDER BY table_schema, table_name, ordinal_position
"""
RIGHTS = """
    SELECT table_schema, table_name, grantee, privilege_type, is_grantable
    FROM information_schema.role_table_grants WHERE table_schema IN ('fieldlab', 'visible')
    UNION ALL
    SELECT table_schema, table_name || '.' || column_name, grantee, privilege_type, is_grantable
    FROM information_schema.role_column_grants WHERE table_schema IN ('fieldlab', 'visible')
    UNION ALL
    SELECT routine_schema, routine_name, grantee, privilege_type, is_grantable
    FROM information_schema.role_routine_grants WHERE routine_schema IN ('fieldlab', 'visible')
    UNION ALL
    SELECT 'schema', nspname, coalesce(grantee::regrole::text, 'PUBLIC'), privilege_type, is_grantable::text
    FROM pg_namespace, aclexplode(nspacl) WHERE nspname IN ('fieldlab', 'visible')
    ORDER BY 1, 2, 3, 4
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'fieldlab'::regnamespace AND contype <> 'n' ORDER BY 1, 2
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'fieldlab' ORDER BY 1, 2"
ROUTINES = """
    SELECT oid::regprocedure::text, md5(prosrc), provolatile::text, prosecdef, proconfig, pg_get_function_result(oid)
    FROM pg_proc WHERE pronamespace IN ('fieldlab'::regnamespace, 'visible'::regnamespace) ORDER BY 1
"""
TRIGGERS = """
    SELECT tgrelid::regclass::text, tgname, tgtype FROM pg_trigger
    WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'fieldlab.%' AND tgname NOT LIKE 'ts\\_%'
    ORDER BY 1, 2
"""
SETTINGS = """
    SELECT attrelid::regclass::text, attname FROM pg_attribute
    WHERE attstattarget = 0 AND attrelid::regclass::text LIKE 'fieldlab.%' ORDER BY 1, 2
"""


@pytest.mark.parametrize(
    "contract",
    [RELATIONS, RIGHTS, CONSTRAINTS, INDEXES, ROUTINES, TRIGGERS, SETTINGS],
    ids=["relations", "rights", "constraints", "indexes", "routines", "triggers", "settings"],
)
def test_each_engine_has_the_same(databases: tuple[Database, Database], contract: str) -> None:
    found = []
    for database in databases:
        with psycopg.connect(database.admin) as connection:
            found.append(connection.execute(contract.encode()).fetchall())
    assert len(found[0]) > 3
    assert found[0] == found[1]


@pytest.fixture
def grown(engines: tuple[Engine, Engine]) -> Iterator[Database]:
    """A plain database on a server that has TimescaleDB, with two days of data, hand-overs, rejects and gaps."""
    with blank(engines[1]) as database:
        assert migrate(database.admin, stay_plain=True).engine is Kind.PLAIN
        with psycopg.connect(database.admin) as connection:
            connection.execute(Path(__file__).with_name("two_days.sql").read_bytes())
        yield database


ANSWERS = {
    "measurements": "SELECT * FROM fieldlab.measurement ORDER BY stream_id, time",
    "minutes": "SELECT * FROM fieldlab.measurement_1m ORDER BY stream_id, bucket",
    "hours": "SELECT * FROM fieldlab.measurement_1h ORDER BY stream_id, bucket",
    "buckets": (
        "SELECT stream_id, public.time_bucket('7 minutes', time, timestamptz '1970-01-01Z') AS b, "
        "public.first(value, time), public.last(value, time), count(*), sum(value) "
        "FROM fieldlab.measurement GROUP BY 1, 2 ORDER BY 1, 2"
    ),
    "days": "SELECT public.time_bucket('1 day', time), count(*) FROM fieldlab.measurement GROUP BY 1 ORDER BY 1",
    "tenures": "SELECT * FROM fieldlab.tenure ORDER BY id",
    "rejects": "SELECT * FROM fieldlab.reject ORDER BY id",
    "gaps": "SELECT * FROM fieldlab.gap ORDER BY id",
}
PACKED = (
    "SELECT samples, times, readings, marks, texts "
    "FROM visible.packed_samples('{0}', '{1}', '{2026-11-17 06:00Z}', '{2026-11-17 18:00Z}', '{NULL}', "
)
VISIBLE = {
    "samples": PACKED + "false, true, 100000)",
    "good samples": PACKED + "true, true, 100000)",
    "segments": "SELECT * FROM visible.segments('{1,2}', '-infinity', 'infinity')",
    "gaps": "SELECT * FROM visible.gaps('{1,2}', '-infinity', 'infinity')",
    "latest": "SELECT * FROM visible.latest('{1,2}')",
    "extent": "SELECT * FROM visible.extent('{1,2}') ORDER BY 1",
    "buckets": (
        "SELECT * FROM visible.buckets('{0,1}', '{1,2}', ARRAY(SELECT tenure FROM visible.segments('{1,2}', "
        "'-infinity', 'infinity')), '{-infinity,-infinity}', '{infinity,infinity}', 420000000, false, 100000)"
    ),
    "rolled up": (
        "SELECT * FROM visible.buckets('{0,1}', '{1,2}', ARRAY(SELECT tenure FROM visible.segments('{1,2}', "
        "'-infinity', 'infinity')), '{-infinity,-infinity}', '{infinity,infinity}', 3600000000, false, 100000, "
        "NULL, NULL, '{first,last,delta,stddev}', true)"
    ),
    "streams": "SELECT * FROM visible.stream ORDER BY key",
}


NOTED = b"""
    SELECT visible.note_access(gen_random_uuid(), 'measurements', '{}', NULL, array_agg(stream), array_agg(tenure),
                               array_agg(start), array_agg(until), NULL, NULL)
    FROM visible.segments('{1,2}', '-infinity', 'infinity')
"""


def answers(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """What the tables hold, and what a tenant is answered."""
    with psycopg.connect(database.admin) as connection:
        adapt(connection)
        found = {name: connection.execute(statement.encode()).fetchall() for name, statement in ANSWERS.items()}
    with psycopg.connect(database.admin) as connection:
        adapt(connection)
        connection.execute("SET ROLE fieldlab_api")
        connection.execute("SELECT visible.bind(sha256('token of tenant'))")
        connection.execute(NOTED)
        for name, statement in VISIBLE.items():
            found[f"visible {name}"] = connection.execute(statement.encode()).fetchall()
    return found


def columns(database: Database) -> list[tuple[object, ...]]:
    with psycopg.connect(database.admin) as connection:
        return [
            row
            for contract in (RELATIONS, RIGHTS, CONSTRAINTS, ROUTINES, TRIGGERS, SETTINGS)
            for row in connection.execute(contract.encode())
        ]


def test_a_plain_database_moves_up_to_timescaledb_with_its_data(grown: Database) -> None:
    before, contract = answers(grown), columns(grown)
    assert all(before.values())
    assert len(before["measurements"]) > 5000
    assert 0 < int(str(before["visible samples"][0][0])) < len(before["measurements"])
    report = migrate(grown.admin)
    assert report.engine in {Kind.APACHE, Kind.COMMUNITY}
    assert answers(grown) == before
    assert columns(grown) == contract
    with psycopg.connect(grown.admin) as connection:
        recorded = connection.execute("SELECT engine FROM fieldlab.platform").fetchone()
        chunks = connection.execute(
            "SELECT DISTINCT chunk_schema, count(*) OVER () FROM timescaledb_information.chunks "
            "WHERE hypertable_name = 'measurement'"
        ).fetchall()
        shimmed = connection.execute("SELECT proname FROM pg_proc WHERE proname LIKE 'fieldlab\\_%'").fetchall()
    assert recorded == (report.engine.value,)
    assert chunks == [("fieldlab_chunk", 3)]
    assert shimmed == []
    with psycopg.connect(grown.admin) as connection:
        connection.execute("SET ROLE fieldlab_gateway")
        connection.execute("INSERT INTO fieldlab.measurement (stream_id, time, value) VALUES (1, '2027-01-01Z', 1)")


def test_moving_up_twice_is_moving_up_once(grown: Database) -> None:
    migrate(grown.admin)
    before = answers(grown)
    migrate(grown.admin)
    migrate(grown.admin, stay_plain=True)
    assert answers(grown) == before


def test_a_failed_move_leaves_the_database_as_it_was(grown: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(grown)

    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(runner, "seal", breaks)
    with pytest.raises(ZeroDivisionError):
        migrate(grown.admin)
    assert answers(grown) == before
    with psycopg.connect(grown.admin) as connection:
        assert connection.execute("SELECT engine FROM fieldlab.platform").fetchone() == ("plain",)
        assert connection.execute("SELECT FROM pg_extension WHERE extname = 'timescaledb'").fetchall() == []
