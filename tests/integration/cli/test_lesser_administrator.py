"""Migrating without a superuser: by the owner of the database who may create roles, or a clear refusal."""

import psycopg
from typer.testing import CliRunner, Result

from cli.main import app
from fieldlab.errors import Forbidden
from tests.servers.database import Database
from tests.servers.plain import plain


def migrate(url: str) -> Result:
    return CliRunner().invoke(app, ["migrate"], env={"FIELDLAB_ADMIN_DATABASE_URL": url})


def test_an_owner_of_the_database_who_may_create_roles_may_migrate_and_is_told_what_stays_open() -> None:
    with plain() as server:
        with psycopg.connect(server.admin_url, autocommit=True) as connection:
            connection.execute("CREATE ROLE administrator LOGIN CREATEROLE PASSWORD 'word'")
            connection.execute("CREATE DATABASE lab OWNER administrator")
        url = server.url(database="lab", user="administrator", password="word")
        first = migrate(url)
        assert first.exit_code == 0, first.output
        assert "until a superuser runs fieldlab migrate" in first.stderr
        assert "is at revision" in migrate(url).stdout


def test_who_may_not_migrate_is_told_what_it_takes(database: Database) -> None:
    refused = migrate(database.maintainer)
    assert isinstance(refused.exception, Forbidden)
    assert "may not migrate" in str(refused.exception)
    assert "Use a superuser, or the user with CREATEROLE" in str(refused.exception)
