"""A transaction reads for the participant that the database itself has bound it to, and for nobody else."""

import asyncio
from contextlib import suppress
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from fieldlab.errors import NotFound, Unauthenticated
from fieldlab.ownership.interval import ALWAYS
from fieldlab.ownership.scope import Credential
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.storage import catalogue, keys, read
from fieldlab.storage.database import open_async_engine, open_engine
from fieldlab.storage.selection import Selection
from fieldlab.storage.transaction import reading
from tests.integration.ownership.floor import CURRENT, MONDAY, READER, TUESDAY, Floor

ASSETS = b"SELECT coalesce(array_agg(slug ORDER BY slug), '{}') FROM visible.asset"
STRETCHES = "VALUES ('-infinity', '2026-11-16Z'), ('2026-11-16Z', '2026-11-17Z'), ('2026-11-17Z', '2026-11-18Z')"
READ = f"""
    SELECT p.samples FROM ({STRETCHES}) AS s (start, until) CROSS JOIN LATERAL visible.packed_samples(
        '{{0}}', '{{1}}', ARRAY[s.start::timestamptz], ARRAY[s.until::timestamptz], '{{NULL}}', false, false, 100) AS p
"""
SAMPLES = f"SELECT coalesce(sum(samples), 0) FROM ({READ}) AS r".encode()


def one(connection: psycopg.Connection, statement: bytes, parameters: list[object] | None = None) -> object:
    row = connection.execute(statement, parameters).fetchone()
    return row and row[0]


def digest(floor: Floor, participant: str) -> bytes:
    return floor.scopes[participant].credential.digest


@pytest.fixture
def attacker(floor: Floor) -> psycopg.Connection:
    floor.store(CURRENT, [(MONDAY, 1.0), (TUESDAY, 2.0), (Instant(TUESDAY + 1), 3.0)])
    return psycopg.connect(floor.database.api, autocommit=True)


def test_an_unbound_transaction_sees_nothing(attacker: psycopg.Connection) -> None:
    with attacker:
        for view in (b"participant", b"asset", b"stream", b"tenure"):
            assert one(attacker, b"SELECT count(*) FROM visible." + view) == 0
        assert one(attacker, SAMPLES) == 0


def test_each_participant_sees_its_own(floor: Floor, attacker: psycopg.Connection) -> None:
    with attacker:
        for participant, assets, samples in (
            ("sme-a", ["mill-1"], 1),
            ("sme-b", ["mill-1", "robot-1"], 2),
            ("outsider", [], 0),
            ("lab", ["mill-1", "robot-1"], 0),
        ):
            with attacker.transaction():
                attacker.execute("SELECT visible.bind(%s)", [digest(floor, participant)])
                floor.note(attacker)
                assert (one(attacker, ASSETS), one(attacker, SAMPLES)) == (assets, samples)


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "x",
        "1 2",
        f"{UUID(int=1)} {'0' * 64}",
        f"{UUID(int=1)} {'0' * 63}",
        f"{'-' * 36} {'0' * 64}",
        "' OR true --",
    ],
)
def test_a_forged_binding_binds_nobody(attacker: psycopg.Connection, forged: str) -> None:
    with attacker, attacker.transaction():
        attacker.execute("SELECT set_config('fieldlab.binding', %s, true)", [forged])
        assert one(attacker, ASSETS) == []


def test_a_binding_with_another_credential_in_it_binds_nobody(floor: Floor, attacker: psycopg.Connection) -> None:
    with attacker, attacker.transaction():
        attacker.execute("SELECT visible.bind(%s)", [digest(floor, "sme-a")])
        mark = str(one(attacker, b"SELECT current_setting('fieldlab.binding')"))
        swapped = str(floor.scopes["sme-b"].key) + mark[36:]
        attacker.execute("SELECT set_config('fieldlab.binding', %s, true)", [swapped])
        assert one(attacker, ASSETS) == []


@pytest.mark.parametrize("local", [True, False])
def test_a_binding_replayed_in_another_transaction_binds_nobody(
    floor: Floor, attacker: psycopg.Connection, local: bool
) -> None:
    with attacker:
        with attacker.transaction():
            attacker.execute("SELECT visible.bind(%s)", [digest(floor, "sme-b")])
            stolen = one(attacker, b"SELECT current_setting('fieldlab.binding')")
        with attacker.transaction():
            assert one(attacker, ASSETS) == []
            attacker.execute("SELECT set_config('fieldlab.binding', %s, %s)", [stolen, local])
            assert one(attacker, ASSETS) == []
        assert one(attacker, ASSETS) == []


def test_a_binding_replayed_on_another_connection_binds_nobody(floor: Floor, attacker: psycopg.Connection) -> None:
    with attacker, floor.bound("sme-b") as victim, attacker.transaction():
        stolen = one(victim, b"SELECT current_setting('fieldlab.binding')")
        attacker.execute("SELECT set_config('fieldlab.binding', %s, true)", [stolen])
        assert one(attacker, ASSETS) == []
        assert one(victim, ASSETS) == ["mill-1", "robot-1"]


def test_a_binding_in_an_undone_savepoint_is_undone(floor: Floor, attacker: psycopg.Connection) -> None:
    with attacker, attacker.transaction():
        with attacker.transaction(force_rollback=True):
            attacker.execute("SELECT visible.bind(%s)", [digest(floor, "sme-b")])
            assert one(attacker, ASSETS) == ["mill-1", "robot-1"]
        assert one(attacker, ASSETS) == []
        attacker.execute("SELECT visible.bind(%s)", [digest(floor, "sme-a")])
        with attacker.transaction(force_rollback=True):
            attacker.execute("SELECT visible.bind(%s)", [b"nobody's"])
            assert one(attacker, ASSETS) == []
        assert one(attacker, ASSETS) == ["mill-1"]


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
def test_a_plan_made_for_another_participant_is_no_right(floor: Floor, attacker: psycopg.Connection, mode: str) -> None:
    with attacker:
        attacker.execute(f"SET plan_cache_mode = {mode}".encode())
        attacker.execute(b"PREPARE assets AS " + ASSETS)
        attacker.execute(b"PREPARE samples AS " + SAMPLES)
        for _ in range(7):
            for participant, assets, samples in (("sme-b", ["mill-1", "robot-1"], 2), ("sme-a", ["mill-1"], 1)):
                with attacker.transaction():
                    attacker.execute("SELECT visible.bind(%s)", [digest(floor, participant)])
                    floor.note(attacker)
                    assert one(attacker, b"EXECUTE assets") == assets
                    assert one(attacker, b"EXECUTE samples") == samples
            assert one(attacker, b"EXECUTE assets") == []
            assert one(attacker, b"EXECUTE samples") == 0


def test_parallel_workers_do_not_change_an_answer(floor: Floor, attacker: psycopg.Connection) -> None:
    with attacker:
        for setting in ("parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0"):
            attacker.execute(f"SET {setting}".encode())
        attacker.execute("SET debug_parallel_query = on")
        with attacker.transaction():
            attacker.execute("SELECT visible.bind(%s)", [digest(floor, "sme-a")])
            floor.note(attacker)
            assert (one(attacker, ASSETS), one(attacker, SAMPLES)) == (["mill-1"], 1)


def test_a_cursor_held_over_the_transaction_holds_what_was_readable_then_only(
    floor: Floor, attacker: psycopg.Connection
) -> None:
    with attacker:
        with attacker.transaction():
            attacker.execute("SELECT visible.bind(%s)", [digest(floor, "sme-a")])
            floor.note(attacker)
            attacker.execute(f"DECLARE kept CURSOR WITH HOLD FOR {READ}".encode())
        assert attacker.execute("FETCH ALL FROM kept").fetchall() == [(0,), (1,), (0,)]


async def test_a_pooled_connection_keeps_no_binding_after_an_exception(floor: Floor) -> None:
    engine = open_async_engine(floor.database.api, name="tests of the pool", connections=1)
    try:
        for _ in range(3):
            with suppress(ZeroDivisionError):
                async with reading(floor.scopes["sme-b"], engine) as bound:
                    backend = await bound.connection.scalar(text("SELECT pg_backend_pid()"))
                    raise ZeroDivisionError
            async with engine.connect() as pooled:
                assert await pooled.scalar(text("SELECT pg_backend_pid()")) == backend
                assert await pooled.scalar(text("SELECT count(*) FROM visible.asset")) == 0
            async with reading(floor.scopes["sme-a"], engine) as bound:
                assert (await bound.connection.scalars(text("SELECT slug FROM visible.asset"))).all() == ["mill-1"]
    finally:
        await engine.dispose()


async def test_a_key_revoked_after_it_was_shown_reads_nothing_more(floor: Floor) -> None:
    selection = Selection(streams=(CURRENT,), interval=ALWAYS, limit=10)
    assert (await read.measurements(floor.scopes["sme-a"], floor.pool, selection)).segments
    administration = open_engine(floor.database.admin, name="tests")
    with administration.begin() as connection:
        keys.revoke(connection, floor.scopes["sme-a"].key)
    with administration.begin() as connection, pytest.raises(NotFound):
        keys.revoke(connection, floor.scopes["sme-a"].key)
    administration.dispose()
    with pytest.raises(Unauthenticated):
        await read.measurements(floor.scopes["sme-a"], floor.pool, selection)
    with pytest.raises(Unauthenticated):
        await catalogue.assets(floor.scopes["sme-a"], floor.engine)
    with pytest.raises(Unauthenticated):
        await keys.authenticate(floor.engine, floor.tokens["sme-a"])


async def test_a_key_that_expires_in_the_middle_of_a_transaction_reads_nothing_more(floor: Floor) -> None:
    administration = open_engine(floor.database.admin, name="tests")
    with administration.begin() as connection:
        issued = keys.issue(
            connection,
            participant="sme-a",
            principal="in a hurry",
            permissions=READER,
            expires_at=Instant(Instant.now() + 5 * SECOND),
        )
    administration.dispose()
    scope = await keys.authenticate(floor.engine, issued.token)
    async with reading(scope, floor.engine) as bound:
        assert await bound.connection.scalar(text("SELECT count(*) FROM visible.asset")) == 1
        for _ in range(300):
            if not await bound.connection.scalar(text("SELECT count(*) FROM visible.asset")):
                break
            await asyncio.sleep(0.2)
        else:
            raise AssertionError("it reads on")
    with pytest.raises(Unauthenticated):
        await keys.authenticate(floor.engine, issued.token)


@pytest.mark.parametrize("token", ["", "flk_", "flk_wrong", "Bearer", "\N{SNOWMAN}", "x" * 10_000, "\0"])
async def test_a_wrong_token_is_not_valid(floor: Floor, token: str) -> None:
    with pytest.raises(Unauthenticated, match="not valid"):
        await keys.authenticate(floor.engine, token)


async def test_the_digest_of_a_token_is_not_itself_a_token(floor: Floor) -> None:
    """Who reads the table of credentials, or a log of parameters, cannot come in over the network with it."""
    stored = Credential.of(floor.tokens["sme-a"]).digest
    for pretended in (stored.hex(), stored.decode("latin-1")):
        with pytest.raises(Unauthenticated):
            await keys.authenticate(floor.engine, pretended)


async def test_a_token_is_nowhere_in_the_database_nor_in_what_its_sessions_show(floor: Floor) -> None:
    token = floor.tokens["sme-a"]
    forms = [token, token.removeprefix("flk_"), Credential.of(token).digest.hex()]
    async with reading(floor.scopes["sme-a"], floor.engine) as bound:
        await bound.connection.execute(text("SELECT * FROM visible.asset"))
        with psycopg.connect(floor.database.admin) as admin:
            shown = admin.execute("SELECT string_agg(a::text, ' ') FROM pg_stat_activity AS a").fetchone()
            tables = admin.execute(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relowner = 'fieldlab_owner'::regrole"
            ).fetchall()
            rows = [
                admin.execute(f"SELECT string_agg(r::text, ' ') FROM {name} AS r".encode()).fetchone()
                for (name,) in tables
            ]
    everything = f"{shown} {rows}"
    assert "somebody at sme-a" in everything
    assert "tests of ownership" in everything
    assert not [form for form in forms if form in everything]


async def test_keys_are_listed_without_their_tokens(floor: Floor) -> None:
    administration = open_engine(floor.database.admin, name="tests")
    with administration.begin() as connection:
        (key,) = keys.listed(connection, participant="sme-a")
        assert len(keys.listed(connection)) == len(floor.tokens)
        with pytest.raises(NotFound, match="nobody"):
            keys.issue(connection, participant="nobody", principal="x", permissions=READER, expires_at=Instant(MONDAY))
    administration.dispose()
    assert (key.principal, key.permissions, key.revoked_at) == ("somebody at sme-a", tuple(READER), None)
    assert key.used_at is not None
    assert floor.tokens["sme-a"] not in repr(key)
    assert floor.tokens["sme-a"] not in repr(floor.scopes["sme-a"])
