"""Whatever SQL the query service's role may issue, it learns nothing that the bound participant may not know.

Relations and functions are enumerated from the server's own catalogue, so that a new one cannot be forgotten. The
hidden data carries marks that occur nowhere else; whatever shows a mark leaks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from fieldlab.assets.participant import Permission
from fieldlab.readings.instant import FOREVER, SECOND, Instant
from fieldlab.storage import keys
from fieldlab.storage.database import open_engine
from tests.integration.ownership.floor import CURRENT, JOINT, MONDAY, STATE, TUESDAY, Floor
from tests.servers.database import Database

HIDDEN_NUMBER = 424242.4242
HIDDEN_TEXT = "hidden-words-of-b"
HIDDEN_ROWS = 15_731
"""A number that no catalogue has: above the server's own object ids, below those of users."""
DENIED = psycopg.errors.InsufficientPrivilege
REFUSED = (
    DENIED,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.ObjectNotInPrerequisiteState,
    psycopg.errors.UndefinedObject,
    psycopg.errors.WrongObjectType,
)


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What nobody but its owner may learn, as it would look in an answer."""

    pattern: re.Pattern[str]
    relations: tuple[str, ...]

    def found(self, text: str, *, known: str = "") -> str | None:
        """Give the first mark in a text but for one that the reader may know."""
        return next((match[0] for match in self.pattern.finditer(text) if match[0] != known), None)


@pytest.fixture
def marks(floor: Floor) -> Marks:
    """Hide data of sme-b, gather statistics, and tell what must not be seen."""
    floor.store(CURRENT, [(Instant(MONDAY + number * SECOND), 1.0) for number in range(5)])
    floor.store(STATE, [(Instant(TUESDAY + 1), HIDDEN_TEXT)])
    with psycopg.connect(floor.database.admin, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO fieldlab.measurement (stream_id, time, value) "
            "SELECT %s, timestamptz '2026-11-17Z' + n * interval '1 second', %s + n FROM generate_series(0, %s) AS n",
            [floor.streams[JOINT], HIDDEN_NUMBER, HIDDEN_ROWS - 1],
        )
        admin.execute("ANALYZE")
        admin.execute("SELECT pg_stat_force_next_flush()")
        admin.execute(
            "UPDATE fieldlab.credential AS c SET principal = 'hidden-principal' FROM fieldlab.participant AS p "
            "WHERE p.id = c.participant_id AND p.slug NOT IN ('sme-a', 'outsider')"
        )
        relations = admin.execute(
            "SELECT oid::regclass::text, pg_relation_size(oid), coalesce(reltuples, 0) FROM pg_class "
            "WHERE relkind IN ('r', 'm') AND relowner = 'fieldlab_owner'::regrole "
            "  AND (relname = 'measurement' OR relname LIKE '\\_hyper%')"
        ).fetchall()
        secrets = admin.execute("SELECT encode(value, 'hex') FROM fieldlab.secret WHERE name = 'binding'").fetchall()
        digests = admin.execute("SELECT encode(digest, 'hex') FROM fieldlab.credential").fetchall()
        uid = admin.execute("SELECT uid::text FROM fieldlab.stream WHERE id = %s", [floor.streams[JOINT]]).fetchall()
    counted = {str(size) for _, size, _ in relations if size > 500_000}
    counted |= {str(int(rows)) for _, _, rows in relations if rows >= HIDDEN_ROWS}
    counted |= {str(HIDDEN_ROWS)}
    words = ["4242(4\\d|5\\d)\\d\\.", HIDDEN_TEXT, "hidden-principal", "trial-of-sme-b", "robot-1", "\\bjoint\\b"]
    words += [f"(?<![0-9.]){number}(?![0-9])" for number in counted]
    words += [value for (value,) in (*secrets, *digests, *uid)]
    return Marks(pattern=re.compile("|".join(words)), relations=tuple(name for name, _, _ in relations))


def every_relation(connection: psycopg.Connection) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 't') ORDER BY 1, 2"
    ).fetchall()


def shown_by_relations(attacker: psycopg.Connection, relations: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Read whatever can be read of every relation: whole rows, else each column by itself."""
    for schema, name in relations:
        relation = SQL("{}.{}").format(Identifier(schema), Identifier(name))
        for statement in (
            SQL("SELECT string_agg(r::text, '\n') FROM {} AS r").format(relation),
            SQL("SELECT count(*)::text FROM {}").format(relation),
            SQL("COPY {} TO STDOUT").format(relation),
            SQL("COPY (SELECT * FROM {}) TO STDOUT").format(relation),
        ):
            try:
                with attacker.transaction():
                    if b"COPY" in statement.as_bytes():
                        with attacker.cursor().copy(statement) as copy:
                            text = b"".join(copy).decode(errors="replace")
                    else:
                        row = attacker.execute(statement).fetchone()
                        text = (row and row[0]) or ""
            except psycopg.Error as refused:
                text = str(refused)
            yield f"{schema}.{name}", text


def test_the_marks_are_there_to_be_found(floor: Floor, marks: Marks) -> None:
    with psycopg.connect(floor.database.admin) as admin:
        leaking = {name for name, text in shown_by_relations(admin, every_relation(admin)) if marks.found(text)}
    assert {
        "fieldlab.measurement",
        "fieldlab.credential",
        "fieldlab.secret",
        "fieldlab.stream",
        "fieldlab.trial",
    } <= leaking
    assert {"pg_catalog.pg_class", "pg_catalog.pg_stat_all_tables"} <= leaking


LIMITED = "sme-b, limited"
"""The owner of what is hidden, with a key that is limited to the mill's current; it knows its own trial."""
OF_LIMITED = {LIMITED: "trial-of-sme-b"}


async def limit(floor: Floor) -> None:
    """Issue the limited key."""
    administration = open_engine(floor.database.admin, name="tests")
    with administration.begin() as connection:
        reading = frozenset({Permission.DATA_READ, Permission.DATA_LIVE})
        issued = keys.issue(
            connection,
            participant="sme-b",
            principal="limited",
            permissions=reading,
            expires_at=FOREVER,
            streams=[CURRENT],
        )
    administration.dispose()
    assert isinstance(floor.scopes, dict)
    floor.scopes[LIMITED] = await keys.authenticate(floor.engine, issued.token)


@pytest.mark.parametrize("reader", ["sme-a", "outsider", LIMITED, None])
async def test_no_relation_shows_what_is_hidden(floor: Floor, marks: Marks, reader: str | None) -> None:
    await limit(floor)
    with psycopg.connect(floor.database.admin) as admin:
        relations = every_relation(admin)
    assert len(relations) > 150
    known = OF_LIMITED.get(reader or "", "")
    with floor.attacking(reader) if reader else psycopg.connect(floor.database.api) as attacker:
        leaks = {
            name: mark
            for name, text in shown_by_relations(attacker, relations)
            if (mark := marks.found(text, known=known))
        }
    assert leaks == {}


def test_only_the_product_s_views_are_readable_of_all_that_the_product_made(floor: Floor) -> None:
    with psycopg.connect(floor.database.admin) as admin:
        readable = admin.execute(
            "SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relowner = 'fieldlab_owner'::regrole "
            "AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') "
            "AND (has_any_column_privilege('fieldlab_api', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES') "
            "     OR has_table_privilege('fieldlab_api', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER'))"
        ).fetchall()
    assert {name for (name,) in readable} == {
        "visible.participant", "visible.asset", "visible.stream", "visible.tenure", "visible.agreement",
        "visible.account", "visible.reject", "visible.discovery", "visible.source", "visible.export",
        "visible.key",
    }  # fmt: skip


ARGUMENTS = {
    "regclass": "{oid}::regclass", "oid": "{oid}::oid", "name": "'{name}'::name", "text": "'{name}'::text",
    "integer": "{stream}", "integer[]": "ARRAY[{stream}]", "bigint": "100000::bigint", "smallint": "1::smallint",
    "boolean": "true", "timestamp with time zone": "'2026-11-17Z'::timestamptz", "bigint[]": "ARRAY[1, 2, 3]::bigint[]",
    "text[]": "ARRAY['robot-1', 'joint']", "bytea": "'\\x00'::bytea", "uuid[]": "ARRAY[]::uuid[]",
    "timestamp with time zone[]": "ARRAY['2026-11-17Z', '2026-11-18Z']::timestamptz[]", "uuid": "gen_random_uuid()",
    '"char"': "'r'::\"char\"", "jsonb": "'[]'::jsonb", "interval": "interval '1 day'",
    "bytea[]": "ARRAY[]::bytea[]",
}  # fmt: skip
HARMLESS = re.compile(
    r"^(pg_sleep|pg_notify|setseed|set_config|binary_upgrade|has_|pg_read|lo_|pg_ls|currtid|pg_options_to_table)"
)


@pytest.mark.parametrize("reader", ["sme-a", LIMITED])
async def test_no_function_tells_of_what_is_hidden(floor: Floor, marks: Marks, reader: str) -> None:
    """Call every function that the role may execute and name, with every hidden relation and stream as arguments."""
    with psycopg.connect(floor.database.admin) as admin:
        functions = admin.execute(
            "SELECT p.oid::regproc::text, string_to_array(oidvectortypes(p.proargtypes), ', ') FROM pg_proc AS p "
            "JOIN pg_namespace AS n ON n.oid = p.pronamespace "
            "WHERE p.prokind = 'f' AND p.provolatile <> 'i' AND p.pronargs <= 10 "
            "  AND has_function_privilege('fieldlab_api', p.oid, 'EXECUTE') "
            "  AND has_schema_privilege('fieldlab_api', n.oid, 'USAGE') ORDER BY 1"
        ).fetchall()
        targets = admin.execute(
            "SELECT oid, oid::regclass::text FROM pg_class WHERE relowner = 'fieldlab_owner'::regrole "
            "AND (relname IN ('measurement', 'measurement_pkey', 'measurement_1m', 'measurement_1h', 'tenure', "
            "                 'stream', 'credential') "
            "     OR relname LIKE '\\_hyper%')"
        ).fetchall()
        database = admin.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
    assert database is not None
    targets.append((database[0], floor.database.name))
    leaks: dict[str, str] = {}
    called = 0
    await limit(floor)
    with floor.attacking(reader) as attacker:
        attacker.execute("SET statement_timeout = '5s'")
        for (function, given), (oid, name) in product(functions, targets):
            types = [type_ for type_ in given if type_]
            if HARMLESS.match(function) or not all(type_ in ARGUMENTS for type_ in types):
                continue
            if not types and oid != database[0]:
                continue
            values = {"oid": oid, "name": name, "stream": floor.streams[JOINT]}
            call = f"SELECT {function}({', '.join(ARGUMENTS[type_].format(**values) for type_ in types)})::text"
            try:
                with attacker.transaction(force_rollback=True):
                    text = "\n".join(str(row[0]) for row in attacker.execute(call.encode()))
                called += 1
            except psycopg.Error as refused:
                text = str(refused).partition("\n")[0].replace(name, "")
            if mark := marks.found(text, known=OF_LIMITED.get(reader, "")):
                leaks[call] = mark
    assert called > 300
    assert leaks == {}


def test_what_gave_sizes_and_counts_away_is_closed(floor: Floor, marks: Marks) -> None:
    statements = [
        "SELECT reltuples FROM pg_class",
        "SELECT relpages FROM pg_class",
        "SELECT * FROM pg_stat_all_tables",
        "SELECT * FROM pg_stat_xact_all_tables",
        "SELECT * FROM pg_stats",
        "SELECT * FROM pg_statistic",
        "SELECT * FROM pg_stat_activity",
        "SELECT * FROM pg_locks",
        "SELECT conbin FROM pg_constraint",
        "SELECT pg_database_size(current_database())",
        "SELECT pg_current_wal_lsn()",
        "SELECT pg_current_xact_id()",
        *(f"SELECT pg_relation_size('{relation}')" for relation in marks.relations),
        *(f"SELECT pg_total_relation_size({relation!r})" for relation in marks.relations),
        *(f"SELECT FROM {relation} WHERE value > 1" for relation in marks.relations),
    ]
    if floor.database.engine == "timescaledb":
        statements += [
            "SELECT public.approximate_row_count('fieldlab.measurement')",
            "SELECT public.hypertable_size('fieldlab.measurement')",
            "SELECT public.show_chunks('fieldlab.measurement')",
            "SELECT * FROM timescaledb_information.chunks",
            "SELECT * FROM timescaledb_information.hypertables",
            "SELECT * FROM _timescaledb_catalog.chunk",
            "SELECT * FROM _timescaledb_catalog.dimension_slice",
        ]
    with psycopg.connect(floor.database.api, autocommit=True) as attacker:
        for statement in statements:
            with pytest.raises(DENIED):
                attacker.execute(statement.encode())


PLANS = [
    "SELECT * FROM visible.participant",
    "SELECT * FROM visible.asset WHERE name > 'A'",
    "SELECT * FROM visible.stream WHERE key < 1000",
    "SELECT * FROM visible.tenure WHERE start > '2000-01-01'",
    "SELECT * FROM visible.account WHERE stored > 0",
    "SELECT * FROM visible.reject WHERE samples > 0",
    "SELECT * FROM visible.discovery WHERE address > ''",
    "SELECT * FROM visible.source WHERE slug > ''",
    "SELECT * FROM visible.streams('{}', ARRAY['robot-1'], ARRAY['joint'])",
    "SELECT * FROM visible.segments(ARRAY[1, 2, 3], '-infinity', 'infinity')",
    "SELECT * FROM visible.gaps(ARRAY[1, 2, 3], '-infinity', 'infinity')",
    "SELECT * FROM visible.latest(ARRAY[1, 2, 3])",
    "SELECT * FROM visible.extent(ARRAY[1, 2, 3])",
    "SELECT * FROM visible.agreement WHERE terms > ''",
    "SELECT * FROM visible.agreements(ARRAY[gen_random_uuid()])",
    "SELECT * FROM visible.agreement_events(gen_random_uuid())",
    "SELECT * FROM visible.begin_request('key', '')",
    "SELECT * FROM visible.listeners('{}')",
    "SELECT * FROM visible.live_rights('{}', '{}', ARRAY[1, 2, 3], '-infinity')",
    "SELECT * FROM visible.live_samples('{}', '{}', ARRAY[1, 2, 3], '', '', -1, '-infinity', 1000000)",
    "SELECT * FROM visible.newest_then(ARRAY[1, 2, 3], '')",
    "SELECT * FROM visible.export WHERE state > ''",
    "SELECT * FROM visible.key WHERE principal > ''",
    "SELECT * FROM visible.claim_export(ARRAY['x'::bytea], interval '1 s')",
    "SELECT * FROM visible.spent_exports(ARRAY['x'::bytea])",
    "SELECT * FROM visible.chart('{0}', '{3}', '{3}', '{-infinity}', '{infinity}', 1000)",
    "SELECT * FROM visible.in_force(ARRAY[1, 2, 3], '2026-11-17T12:00:00Z')",
    "SELECT * FROM visible.trial_streams('trial-of-sme-b')",
    "SELECT * FROM visible.buckets('{0}', '{3}', '{3}', '{-infinity}', '{infinity}', 60000000, false, 1000000)",
    "SELECT * FROM visible.accesses(9223372036854775807, 1000000)",
    "SELECT * FROM visible.checkpoint()",
    "SELECT * FROM visible.ledger_nodes('{0}', '{0}')",
    "SELECT * FROM visible.seal()",
    "SELECT * FROM visible.decision('x', '{}', '{robot-1}', '{joint}', NULL, '-infinity', 'infinity', NULL)",
    "SELECT * FROM visible.own_latest('x', '{}', '{robot-1}', '{joint}', NULL)",
    "SELECT * FROM visible.packed_samples('{0}', '{3}', '{-infinity}', '{infinity}', '{NULL}', false, true, 1000000)",
    "SELECT * FROM visible.unheld('{0}', '{3}', '{-infinity}', '{infinity}', '{NULL}')",
    "SELECT * FROM visible.broken_glass()",
    "SELECT * FROM visible.erasures()",
    "SELECT * FROM visible.receipt(gen_random_uuid(), 1000000)",
    "SELECT * FROM visible.tenure_events('mill-1', 1000000, 1000000)",
]
SCANS = re.compile(
    r"\b(Seq|Index|Index Only|Bitmap Heap|Tid|Sample) Scan\b|Custom Scan|\{\w*(SEQ|INDEX|HEAP|CUSTOM)\w*SCAN"
)


@pytest.mark.parametrize("statement", PLANS)
def test_no_plan_tells_of_the_tables_below(floor: Floor, marks: Marks, statement: str) -> None:
    told: list[str] = []
    with floor.attacking("sme-a") as attacker:
        for path in ("indexscan", "bitmapscan", "indexonlyscan", "nestloop"):
            attacker.execute(f"SET enable_{path} = off".encode())
        attacker.execute("SET client_min_messages = debug5")
        attacker.execute("SET debug_print_plan = on")
        attacker.add_notice_handler(lambda note: told.append(f"{note.message_primary} {note.message_detail}"))
        told += [row[0] for row in attacker.execute(f"EXPLAIN (ANALYZE, VERBOSE) {statement}".encode())]
        attacker.execute(statement.encode())
    assert any("FUNCTIONSCAN" in line for line in told)
    assert [line for line in told if SCANS.search(line) or ("Function Call" not in line and marks.found(line))] == []


def test_the_views_in_the_list_of_plans_are_all_there_are(floor: Floor) -> None:
    with psycopg.connect(floor.database.admin) as admin:
        made = admin.execute(
            "SELECT DISTINCT 'visible.' || relname FROM pg_class WHERE relnamespace = 'visible'::regnamespace "
            "UNION SELECT 'visible.' || proname FROM pg_proc WHERE pronamespace = 'visible'::regnamespace AND proretset"
        ).fetchall()
    tried = {name for statement in PLANS for name in re.findall(r"visible\.\w+", statement)}
    assert {name for (name,) in made} - {"visible.bind"} == tried


@pytest.mark.parametrize("view", ["asset", "stream", "tenure"])
def test_a_predicate_that_fails_on_any_row_never_meets_a_hidden_one(floor: Floor, view: str) -> None:
    with floor.bound("outsider") as attacker:
        (count,) = (
            attacker.execute(f"SELECT count(*) FROM visible.{view} AS v WHERE v::text::integer = 0".encode()).fetchone()
            or ()
        )
        assert count == 0
    with floor.bound("sme-b") as attacker, pytest.raises(psycopg.errors.InvalidTextRepresentation):
        attacker.execute(f"SELECT count(*) FROM visible.{view} AS v WHERE v::text::integer = 0".encode())


@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE fieldlab_owner",
        "SET ROLE fieldlab_gateway",
        "SET SESSION AUTHORIZATION postgres",
        "SET session_replication_role = replica",
        "CREATE TEMPORARY TABLE mine (x integer)",
        "CREATE TABLE public.mine (x integer)",
        "CREATE TABLE visible.mine (x integer)",
        "CREATE SCHEMA mine",
        "CREATE EXTENSION dblink",
        "CREATE EXTENSION postgres_fdw",
        "CREATE FUNCTION pg_temp.leak(x float8) RETURNS boolean LANGUAGE sql COST 0.000001 AS 'SELECT 1 / x > 0'",
        "CREATE FUNCTION public.time_bucket(interval, timestamptz) RETURNS timestamptz LANGUAGE sql AS 'SELECT $2'",
        "CREATE OPERATOR public.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4ne)",
        "CREATE STATISTICS visible.mine ON key, asset FROM visible.stream",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
        "COPY visible.stream TO '/tmp/stolen'",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_from_bytea(0, 'kept')",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "ALTER SYSTEM SET log_statement = 'all'",
        "ALTER ROLE fieldlab_api SUPERUSER",
        "LOAD 'auto_explain'",
        "GRANT fieldlab_owner TO fieldlab_api",
        "SELECT fieldlab.bound()",
        "SELECT fieldlab.binding_mark(gen_random_uuid()::text)",
        "SELECT fieldlab.seen_streams(NULL, NULL, NULL)",
        "ANALYZE fieldlab.measurement",
        "BEGIN; LOCK TABLE fieldlab.tenure",
        "INSERT INTO visible.tenure (stream) VALUES (1)",
        "UPDATE visible.tenure SET owner = 'sme-a'",
        "DELETE FROM visible.tenure",
        "DROP VIEW visible.tenure",
        "CREATE OR REPLACE VIEW visible.tenure AS SELECT 1",
        "ALTER FUNCTION visible.packed_samples SECURITY INVOKER",
        "COMMENT ON VIEW visible.tenure IS 'mine'",
        "CREATE RULE leak AS ON SELECT TO visible.tenure DO INSTEAD SELECT 1",
        "CREATE POLICY leak ON fieldlab.tenure",
        "CREATE EVENT TRIGGER leak ON ddl_command_end EXECUTE FUNCTION leak()",
        "CREATE PUBLICATION leak FOR ALL TABLES",
        "CREATE SUBSCRIPTION leak CONNECTION '' PUBLICATION leak WITH (connect = false)",
        "CREATE SERVER leak FOREIGN DATA WRAPPER postgres_fdw",
    ],
)
def test_it_cannot_become_more_than_it_is(database: Database, statement: str) -> None:
    with psycopg.connect(database.api, autocommit=True) as attacker, pytest.raises(REFUSED):
        attacker.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT visible.plugged_in()",
        """SELECT visible.plug_in('[{"slug": "mine", "wire": "mqtt", "url": "mqtt:", "options": {}}]', '[]', '[]')""",
        """SELECT visible.enter_asset('{"slug": "mine", "name": "x", "home_owner": "sme-a"}', '[]')""",
        """SELECT visible.describe_asset('mill-1', '{"name": "mine"}')""",
    ],
)
def test_a_participant_neither_reads_nor_changes_what_is_plugged_in(floor: Floor, statement: LiteralString) -> None:
    with floor.bound("sme-a") as attacker, pytest.raises(DENIED):
        attacker.execute(statement)


def test_functions_that_run_as_the_owner_cannot_be_led_astray(floor: Floor) -> None:
    """Each fixes its search path with the temporary schema last, says what it is for, and plans in silence."""
    with psycopg.connect(floor.database.admin) as admin:
        functions = admin.execute(
            "SELECT oid::regprocedure::text, proconfig, prosecdef, obj_description(oid), "
            "       has_function_privilege('public', oid, 'EXECUTE') "
            "FROM pg_proc WHERE pronamespace IN ('fieldlab'::regnamespace, 'visible'::regnamespace)"
        ).fetchall()
    assert len(functions) > 20
    for name, settings, definer, comment, public in functions:
        assert any(s.startswith("search_path=") and s.endswith("pg_temp") for s in settings or ()), name
        assert comment, name
        if definer:
            assert "debug_print_plan=off" in settings, name
            assert not public, name


def test_a_statement_that_runs_too_long_is_stopped_and_the_connection_lives(floor: Floor) -> None:
    with floor.bound("sme-a") as attacker:
        attacker.execute("SET LOCAL statement_timeout = '50ms'")
        with pytest.raises(psycopg.errors.QueryCanceled), attacker.transaction():
            attacker.execute("SELECT pg_sleep(10)")
        assert attacker.execute("SELECT count(*) FROM visible.asset").fetchone() == (1,)
