"""A database of its own for each test, cloned in milliseconds from a template that the product itself migrated."""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from tests.servers.engine import Engine, EngineName

ROLES = ("fieldlab_gateway", "fieldlab_api", "fieldlab_maintainer")


@dataclass(frozen=True, kw_only=True)
class Database:
    """One database, with a libpq URL for each kind of process. `admin` is the server's superuser."""

    name: str
    engine: EngineName
    admin: str
    gateway: str
    api: str
    maintainer: str


@dataclass(frozen=True, kw_only=True)
class Right:
    """A privilege on a database that a clone does not inherit; the grantee None is everybody."""

    grantee: str | None
    privilege: str


@dataclass(frozen=True, kw_only=True)
class Template:
    """A migrated database that nobody may enter, with the rights on it."""

    engine: Engine
    name: str
    rights: tuple[Right, ...]


@contextmanager
def template(engine: Engine) -> Iterator[Template]:
    """Migrate a new database and close it, ready to be cloned."""
    from migrations.runner import migrate, set_passwords

    with blank(engine) as database:
        migrate(database.admin)
        set_passwords(database.admin, {role: _password(engine, role) for role in ROLES})
        with psycopg.connect(engine.admin_url, autocommit=True) as connection:
            _close(connection, database.name)
            yield Template(engine=engine, name=database.name, rights=_rights(connection, database.name))


@contextmanager
def clone(template: Template) -> Iterator[Database]:
    """A copy of the template with the same rights, dropped at the end whoever is still connected."""
    with _new(template.engine, source=template.name) as database:
        with psycopg.connect(template.engine.admin_url) as connection:
            connection.execute(_settle(database.name, template.rights))
        yield database


@contextmanager
def blank(engine: Engine) -> Iterator[Database]:
    """A database with nothing in it, for the tests of migrations."""
    with _new(engine, source="template0") as database:
        yield database


@contextmanager
def _new(engine: Engine, *, source: str) -> Iterator[Database]:
    name = f"fieldlab_test_{uuid.uuid4().hex[:12]}"
    create = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(Identifier(name), Identifier(source))
    with psycopg.connect(engine.admin_url, autocommit=True) as connection:
        connection.execute(create)
    gateway, api, maintainer = (
        engine.url(database=name, user=role, password=_password(engine, role)) for role in ROLES
    )
    try:
        yield Database(
            name=name,
            engine=engine.name,
            admin=engine.url(database=name),
            gateway=gateway,
            api=api,
            maintainer=maintainer,
        )
    finally:
        with psycopg.connect(engine.admin_url, autocommit=True) as connection:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def _close(connection: psycopg.Connection, name: str) -> None:
    """Let nobody in any more, background workers included: one guest would keep a database from being cloned."""
    connection.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(name)))
    connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])


def _rights(connection: psycopg.Connection, name: str) -> tuple[Right, ...]:
    rows = connection.execute(
        """
        SELECT CASE WHEN grantee = 0 THEN NULL ELSE grantee::regrole::text END, privilege_type
        FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
        WHERE datname = %s AND grantee <> datdba
        """,
        [name],
    )
    return tuple(Right(grantee=grantee, privilege=privilege) for grantee, privilege in rows)


def _settle(name: str, rights: tuple[Right, ...]) -> Composed:
    statements = [SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(name))]
    for right in rights:
        to = Identifier(right.grantee) if right.grantee else SQL("PUBLIC")
        statements.append(SQL("GRANT {} ON DATABASE {} TO {}").format(SQL(right.privilege), Identifier(name), to))
    return SQL("; ").join(statements)


def _password(engine: Engine, role: str) -> str:
    """The same for every process that tests on this server, so that parallel runs do not lock each other out."""
    return hashlib.sha256(f"{engine.admin_url} {role}".encode()).hexdigest()[:16]
