"""Bringing a database to head: roles, revisions, and the fit to its engine, in one transaction."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from fieldlab.errors import Forbidden, Unavailable
from fieldlab.storage.database import open_engine
from migrations import engine as engines
from migrations.engine import Engine
from migrations.roles import create_roles, let_owner_log_in, set_password
from migrations.seal import seal

_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('fieldlab.migrate', 0))")
_EXTENSIONS: Final = text("CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public")
_NOT_ALLOWED: Final = "42501"


@dataclass(frozen=True, kw_only=True, slots=True)
class MigrationReport:
    """What a migration found and did; `was` is None for a new database.

    `open` names what tells any user of stored data and only a superuser could close.
    """

    engine: Engine
    version: str
    was: str | None
    now: str
    open: tuple[str, ...] = ()


def migrate(
    admin_url: str, *, tell: Callable[[str], None] = lambda _: None, stay_plain: bool = False
) -> MigrationReport:
    """Bring the database to head and fit it to its engine; safe to run twice, and by two at once.

    With `stay_plain` a database without TimescaleDB is left without it, whatever the server has.
    The URL's user must be able to create roles and extensions. `tell` gets a line before each step that may take long.
    """
    with _connected(admin_url) as connection:
        connection.execute(_ONE_AT_A_TIME)
        create_roles(connection)
        connection.execute(_EXTENSIONS)
        engine = engines.extend(connection, stay_plain=stay_plain)
        if engine is Engine.PLAIN:
            engines.shim(connection)
        if engine is Engine.COMMUNITY:
            let_owner_log_in(connection)
        connection.execute(text("SET LOCAL ROLE fieldlab_owner"))
        was = _revision(connection)
        tell("Bringing the tables to head" if was else "Creating the tables")
        command.upgrade(_config(connection), "head")
        tell(f"Fitting the measurements to {engine.value}")
        version = engines.fit(connection, engine)
        now = _revision(connection) or ""
        connection.execute(text("RESET ROLE"))
        left_open = seal(connection)
        if left_open:
            tell(f"{len(left_open)} things still tell any user of sizes and counts; a superuser's migrate closes them")
        return MigrationReport(engine=engine, version=version, was=was, now=now, open=left_open)


def downgrade(admin_url: str, revision: str) -> None:
    """Take the schema back to a revision, or to `base`: what later revisions hold is lost."""
    with _connected(admin_url) as connection:
        connection.execute(_ONE_AT_A_TIME)
        connection.execute(text("SET LOCAL ROLE fieldlab_owner"))
        engines.unfit(connection)
        command.downgrade(_config(connection), revision)


def set_passwords(admin_url: str, passwords: Mapping[str, str]) -> None:
    """Set the passwords with which the process roles log in."""
    with _connected(admin_url) as connection:
        for role, password in sorted(passwords.items()):
            set_password(connection, role, password)


def head() -> str:
    """Give the newest revision of the schema."""
    return ScriptDirectory(str(Path(__file__).parent)).get_current_head() or ""


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = open_engine(url, name="fieldlab migrate")
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise Unavailable(f"The database cannot be reached: {error.orig}") from error
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != _NOT_ALLOWED:
            raise
        raise Forbidden(
            f"This database user may not migrate: {error.orig}. "
            "Use a superuser, or the user with CREATEROLE who owns the database and has created Fieldlab's roles."
        ) from error
    finally:
        engine.dispose()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table_schema": "fieldlab"}).get_current_revision()
