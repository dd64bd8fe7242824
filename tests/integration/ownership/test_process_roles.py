"""The gateway writes and does not read; the maintainer removes by time and does not read; neither can become more."""

import psycopg
import pytest

from tests.integration.ownership.floor import CURRENT, MONDAY, STATE, Floor

TABLES = (
    "participant", "trial", "asset", "stream", "source", "binding", "tenure", "tenure_event", "credential", "secret",
    "measurement", "reject", "gap", "platform", "entitlement", "measurement_1m", "measurement_1h",
    "spool", "account", "account_entry", "waiting", "discovery",
)  # fmt: skip
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


def rights(floor: Floor, role: str) -> set[str]:
    """What a role may do with the product's relations; columns where it is not the whole relation."""
    with psycopg.connect(floor.database.admin) as admin:
        whole = admin.execute(
            "SELECT p || ' ' || relname FROM pg_class, unnest(%s::text[]) AS p "
            "WHERE relowner = 'fieldlab_owner'::regrole AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') "
            "AND CASE WHEN relkind = 'S' THEN p = 'SELECT' AND has_sequence_privilege(%s, oid, 'USAGE, UPDATE') "
            "ELSE has_table_privilege(%s, oid, p) END "
            "AND relnamespace IN ('fieldlab'::regnamespace, 'visible'::regnamespace)",
            [list(PRIVILEGES), role, role],
        ).fetchall()
        columns = admin.execute(
            "SELECT p || ' ' || relname || '.' || attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid, "
            "unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS p "
            "WHERE relowner = 'fieldlab_owner'::regrole AND relkind IN ('r', 'v', 'm') AND attnum > 0 "
            "AND NOT attisdropped AND has_column_privilege(%s, attrelid, attnum, p) "
            "AND NOT has_table_privilege(%s, attrelid, p)",
            [role, role],
        ).fetchall()
    return {name for (name,) in (*whole, *columns)}


def test_the_gateway_may_do_what_it_needs_and_nothing_else(floor: Floor) -> None:
    assert rights(floor, "fieldlab_gateway") == {
        "SELECT source", "SELECT binding", "SELECT platform",
        "SELECT stream.id", "SELECT stream.asset_id", "SELECT stream.kind", "SELECT stream.lateness",
        "SELECT asset.id", "SELECT asset.slug", "SELECT asset.nature",
        "INSERT measurement", "INSERT reject", "INSERT gap",
    }  # fmt: skip


def test_the_maintainer_may_do_what_it_needs_and_nothing_else(floor: Floor) -> None:
    assert rights(floor, "fieldlab_maintainer") == {
        "SELECT platform", "DELETE measurement", "SELECT measurement.stream_id", "SELECT measurement.time",
    }  # fmt: skip


def test_the_query_service_may_read_its_views_and_nothing_else(floor: Floor) -> None:
    assert rights(floor, "fieldlab_api") == {
        "SELECT participant", "SELECT asset", "SELECT stream", "SELECT tenure", "SELECT agreement",
        "SELECT account", "SELECT reject", "SELECT discovery", "SELECT source", "SELECT export",
        "SELECT key",
    }  # fmt: skip
    with psycopg.connect(floor.database.admin) as admin:
        readable = admin.execute(
            "SELECT DISTINCT relnamespace::regnamespace::text FROM pg_class "
            "WHERE relowner = 'fieldlab_owner'::regrole AND has_any_column_privilege('fieldlab_api', oid, 'SELECT')"
        ).fetchall()
    assert readable == [("visible",)]


@pytest.mark.parametrize(
    ("role", "reach"),
    [
        (
            "fieldlab_gateway",
            {"known_rows", "open_spool", "settle", "note_discoveries", "fold_accounts", "close_gaps", "open_gaps"},
        ),
        ("fieldlab_maintainer", set()),
    ],
)
def test_functions_that_run_as_the_owner_are_open_to_whom_they_are_for(
    floor: Floor, role: str, reach: set[str]
) -> None:
    with psycopg.connect(floor.database.admin) as admin:
        executable = admin.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace IN ('fieldlab'::regnamespace, 'visible'::regnamespace) "
            "AND prosecdef AND has_function_privilege(%s, oid, 'EXECUTE')",
            [role],
        ).fetchall()
    assert reach <= {name for (name,) in executable}
    assert {name for (name,) in executable} & {
        "bound", "bound_with", "bound_participant", "bind", "amend_tenures", "samples", "cursor_key", "seen_streams",
    } == set()  # fmt: skip


@pytest.mark.parametrize("role", ["gateway", "maintainer"])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT value FROM fieldlab.measurement",
        "SELECT count(text) FROM fieldlab.measurement",
        "COPY fieldlab.measurement TO STDOUT",
        "SELECT * FROM fieldlab.credential",
        "SELECT * FROM fieldlab.secret",
        "SELECT * FROM fieldlab.participant",
        "SELECT * FROM fieldlab.tenure",
        "SELECT * FROM fieldlab.tenure_event",
        "SELECT * FROM fieldlab.reject",
        "SELECT * FROM fieldlab.measurement_1m",
        "SELECT * FROM visible.asset",
        "SELECT visible.cursor_key()",
        "INSERT INTO fieldlab.tenure (stream_id, owner_id, booked, start, until) SELECT 1, 1, true, now(), 'infinity'",
        "INSERT INTO fieldlab.tenure_event (asset_id, principal, kind, removed, added) SELECT 1, '', '', '[]', '[]'",
        "INSERT INTO fieldlab.credential (participant_id, principal, digest, permissions) SELECT 1, '', '', '{}'",
        "UPDATE fieldlab.measurement SET value = 0",
        "INSERT INTO fieldlab.measurement (stream_id, time) VALUES (1, now()) RETURNING value",
        "INSERT INTO fieldlab.measurement (stream_id, time) SELECT 1, now() ON CONFLICT (stream_id, time) DO NOTHING",
        "TRUNCATE fieldlab.measurement",
        "CREATE TABLE fieldlab.mine (x integer)",
        "CREATE TEMPORARY TABLE mine (x integer)",
        "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE fieldlab.measurement DISABLE TRIGGER ALL",
        "DROP TABLE fieldlab.measurement",
        "SET ROLE fieldlab_owner",
    ],
)
def test_neither_gateway_nor_maintainer_reads_or_changes_more(floor: Floor, role: str, statement: str) -> None:
    floor.store(CURRENT, [(MONDAY, 1.0)])
    with (
        psycopg.connect(getattr(floor.database, role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_the_gateway_stores_and_the_maintainer_removes_by_time(floor: Floor) -> None:
    floor.store(CURRENT, [(MONDAY, 1.0)])
    floor.store(STATE, [(MONDAY, "milling")])
    with psycopg.connect(floor.database.maintainer) as maintainer:
        removed = maintainer.execute("DELETE FROM fieldlab.measurement WHERE time < now() + interval '100 years'")
        assert removed.rowcount == 2


def test_no_planner_s_guess_tells_the_gateway_of_stored_values(floor: Floor) -> None:
    """Whoever may name a table can have a query over it planned, and be shown the plan, before it is refused."""
    floor.store(CURRENT, [(type(MONDAY)(MONDAY + n), float(n)) for n in range(2000)])
    with psycopg.connect(floor.database.admin, autocommit=True) as admin:
        admin.execute("ANALYZE")
        told = admin.execute(
            "SELECT tablename, attname FROM pg_stats WHERE schemaname LIKE 'fieldlab%' "
            "AND attname IN ('value', 'text', 'least', 'greatest', 'total', 'digest')"
        ).fetchall()
        assert told == []
    plans: list[set[str]] = []
    notes: list[str] = []
    with psycopg.connect(floor.database.gateway) as gateway:
        gateway.add_notice_handler(lambda note: notes.append(note.message_detail or ""))
        gateway.execute("SET debug_print_plan = on")
        gateway.execute("SET client_min_messages = log")
        for bound in (-1, 1000, 5000):
            notes.clear()
            with pytest.raises(psycopg.errors.InsufficientPrivilege), gateway.transaction():
                gateway.execute(f"SELECT 1 FROM fieldlab.measurement WHERE value > {bound}".encode())
            assert notes
            plans.append({line.strip() for note in notes for line in note.splitlines() if "rows" in line})
    assert plans[0] == plans[1] == plans[2]
