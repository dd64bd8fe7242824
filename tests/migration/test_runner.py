"""A migration goes up, down and up again; it can be run twice, by two at once, and by who is no superuser."""

import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

import migrations
from fieldlab.errors import Unavailable
from fieldlab.storage.database import open_engine
from migrations.roles import API, let_owner_log_in, set_password
from migrations.runner import downgrade, head, migrate, set_passwords
from tests.servers.child import wait_for
from tests.servers.database import Database
from tests.servers.engine import EngineName

ENGINES = {EngineName.PLAIN: {"plain"}, EngineName.TIMESCALEDB: {"apache", "community"}}
CONTENTS = """
    SELECT c.oid::regclass || ' ' || c.relkind::text || ' ' || coalesce(c.relacl, acldefault('r', c.relowner))::text
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname IN ('fieldlab', 'visible')
    UNION ALL
    SELECT p.oid::regprocedure || ' ' || coalesce(p.proacl, acldefault('f', p.proowner))::text || md5(p.prosrc)
        || p.proconfig::text
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname IN ('fieldlab', 'visible')
    UNION ALL
    SELECT nspname || ' ' || nspacl::text FROM pg_namespace WHERE nspname IN ('fieldlab', 'visible')
    ORDER BY 1
"""


def contents(database: Database) -> list[str]:
    with psycopg.connect(database.admin) as connection:
        return [row[0] for row in connection.execute(CONTENTS.encode())]


def test_an_empty_database_is_brought_to_head(blank_database: Database) -> None:
    told: list[str] = []
    report = migrate(blank_database.admin, tell=told.append)
    assert (report.was, report.now) == (None, head())
    assert report.engine in ENGINES[blank_database.engine]
    assert report.version.startswith("PostgreSQL ")
    assert report.open == ()
    assert told
    with psycopg.connect(blank_database.admin) as connection:
        recorded = connection.execute("SELECT engine, version FROM fieldlab.platform").fetchall()
    assert recorded == [(report.engine.value, report.version)]


def test_migrating_twice_changes_nothing(database: Database) -> None:
    before = contents(database)
    report = migrate(database.admin)
    assert (report.was, report.now) == (head(), head())
    assert contents(database) == before


def test_up_down_and_up_again_gives_the_same(blank_database: Database) -> None:
    migrate(blank_database.admin)
    before = contents(blank_database)
    downgrade(blank_database.admin, "base")
    left = [line for line in contents(blank_database) if "alembic_version" not in line]
    assert [line.split()[0] for line in left] == ["fieldlab"]
    assert migrate(blank_database.admin).was is None
    assert contents(blank_database) == before


def test_each_revision_can_be_taken_back_and_made_again(blank_database: Database) -> None:
    migrate(blank_database.admin)
    before = contents(blank_database)
    script = ScriptDirectory(migrations.__path__[0])
    for revision in script.walk_revisions():
        target = revision.down_revision
        downgrade(blank_database.admin, str(target or "base"))
        assert migrate(blank_database.admin).was == target
        assert contents(blank_database) == before


def test_two_at_once_both_succeed(blank_database: Database) -> None:
    reports: list[str | None] = []

    def go() -> None:
        reports.append(migrate(blank_database.admin).was)

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reports, key=str) == sorted([None, head()], key=str)


@pytest.mark.usefixtures("database_template")  # whose making creates the roles
def test_migrations_of_two_databases_do_not_wait_for_each_other_over_the_owner(blank_database: Database) -> None:
    with psycopg.connect(blank_database.admin) as admin:
        before = admin.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'fieldlab_owner'").fetchone()
    administration = open_engine(blank_database.admin, name="tests")
    try:
        with administration.begin() as connection:
            let_owner_log_in(connection)
        with administration.begin() as one, administration.begin() as other:
            let_owner_log_in(one)
            other.execute(text("SET LOCAL lock_timeout = '5s'"))
            let_owner_log_in(other)
            assert other.scalar(text("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'fieldlab_owner'"))
    finally:
        if before == (False,):
            with administration.begin() as connection:
                connection.execute(text("ALTER ROLE fieldlab_owner NOLOGIN"))
        administration.dispose()


@pytest.mark.usefixtures("database_template")  # whose making creates the roles
def test_two_who_set_a_password_at_once_both_succeed(blank_database: Database) -> None:
    password = urlsplit(blank_database.api).password or ""
    administration = open_engine(blank_database.admin, name="tests")
    with psycopg.connect(blank_database.admin, autocommit=True) as admin, ThreadPoolExecutor() as threads:

        def one_waits() -> bool:
            waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            return admin.execute(waiting).fetchone() is not None

        with administration.begin() as connection:
            set_password(connection, API, password)
            second = threads.submit(set_passwords, blank_database.admin, {API: password})
            wait_for(one_waits, "the second to wait for the first")
        administration.dispose()
        second.result(timeout=60)
    with psycopg.connect(blank_database.admin) as admin:
        assert admin.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [API]).fetchone() == (True,)


def test_a_server_that_is_away_is_said_to_be() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        migrate("postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.usefixtures("database_template")  # whose making creates the roles
def test_an_administrator_who_is_no_superuser_is_told_what_stays_open(blank_database: Database) -> None:
    name = blank_database.name
    with psycopg.connect(blank_database.admin, autocommit=True) as connection:
        for statement in (
            f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'secret'",
            f"ALTER DATABASE {name} OWNER TO {name}",
            f"GRANT fieldlab_owner TO {name} WITH ADMIN OPTION",
        ):
            connection.execute(statement.encode())
    parts = urlsplit(blank_database.admin)
    place = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(netloc=f"{quote(name)}:secret@{place}"))
    told: list[str] = []
    try:
        report = migrate(url, tell=told.append)
        assert report.now == head()
        assert "relation pg_class" in report.open
        assert "superuser" in told[-1]
        assert migrate(blank_database.admin).open == ()
    finally:
        with psycopg.connect(blank_database.admin, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER".encode())
            connection.execute(f"DROP OWNED BY {name} CASCADE".encode())
            connection.execute(f"DROP ROLE {name}".encode())
