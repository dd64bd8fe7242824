"""What the commands that manage a lab share: the option with the database's URL, and one transaction on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError

from fieldlab.errors import Forbidden, Unavailable
from fieldlab.settings import MigrateSettings
from fieldlab.storage.database import open_engine

AdminUrl = Annotated[
    str | None,
    typer.Option(
        "--admin-database-url",
        envvar="FIELDLAB_ADMIN_DATABASE_URL",
        show_envvar=True,
        help="postgresql://… of a user who may create roles and extensions.",
    ),
]


_NOT_MIGRATED: Final = {"3F000", "42P01", "42703", "42883"}
"""SQLSTATE of a schema, table, column or function that is not there."""

_NOT_ALLOWED: Final = "42501"


@contextmanager
def administering(admin_database_url: str | None, *, command: str) -> Iterator[Connection]:
    """Open a transaction that is committed if the block ends well.

    Raises Unavailable for a database that cannot be reached or is not at head, Forbidden if the user may not do it.
    """
    url = MigrateSettings.load(admin_database_url=admin_database_url).admin_database_url.get_secret_value()
    engine = open_engine(url, name=f"fieldlab {command}")
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise Unavailable(f"The database cannot be reached: {error.orig}") from error
    except ProgrammingError as error:
        sqlstate = getattr(error.orig, "sqlstate", None)
        if sqlstate in _NOT_MIGRATED:
            raise Unavailable("This database holds no lab, or an older one; run fieldlab migrate first.") from error
        if sqlstate == _NOT_ALLOWED:
            raise Forbidden(f"This database user may not do that: {error.orig}. Use an administrator's URL.") from error
        raise
    finally:
        engine.dispose()
