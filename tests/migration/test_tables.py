"""The code and the migrations mean the same tables, and every thing in them says what it is for."""

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from fieldlab.storage.database import open_engine
from fieldlab.storage.schema import metadata
from tests.servers.database import Database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    engine = open_engine(database.admin, name="tests")
    with engine.connect() as connected:
        yield connected
    engine.dispose()


def test_the_tables_that_the_code_sees_are_those_of_the_migrations(connection: Connection) -> None:
    def concerns(name: str | None, kind: str, _parents: object) -> bool:
        if kind == "schema":
            return name == "fieldlab"
        return not (kind == "index" or (kind == "table" and name == "alembic_version"))

    options = {
        "include_schemas": True,
        "include_name": concerns,
        "compare_type": True,
        "compare_server_default": True,
    }
    differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    assert [difference for difference in differences if difference[0] != "remove_table_comment"] == []


def test_every_relation_function_and_schema_says_what_it_is_for(connection: Connection) -> None:
    silent = connection.exec_driver_sql(
        """
        SELECT oid::regclass::text FROM pg_class
        WHERE relnamespace IN ('fieldlab'::regnamespace, 'visible'::regnamespace) AND relkind IN ('r', 'v', 'm')
          AND relname <> 'alembic_version' AND obj_description(oid, 'pg_class') IS NULL
        UNION ALL
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace IN ('fieldlab'::regnamespace, 'visible'::regnamespace)
          AND obj_description(oid, 'pg_proc') IS NULL
        UNION ALL
        SELECT nspname FROM pg_namespace WHERE (nspname LIKE 'fieldlab%%' OR nspname = 'visible')
                                           AND obj_description(oid, 'pg_namespace') IS NULL
        """
    )
    assert silent.scalars().all() == []
