"""What the commands that manage a lab share: the option with the database's URL, and one transaction on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from fieldlab.errors import Unavailable
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


@contextmanager
def administering(admin_database_url: str | None, *, command: str) -> Iterator[Connection]:
    """Open a transaction that is committed if the block ends well."""
    url = MigrateSettings.load(admin_database_url=admin_database_url).admin_database_url.get_secret_value()
    engine = open_engine(url, name=f"fieldlab {command}")
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise Unavailable(f"The database cannot be reached: {error.orig}") from error
    finally:
        engine.dispose()
