"""A process that may do more than its role needs says what, and does not start."""

import uuid
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import conninfo
from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from fieldlab.errors import ExcessRights
from fieldlab.storage.rights import ProcessRole, check
from tests.servers.database import Database

ROLES = list(ProcessRole)
_PASSWORD = "for-a-moment"


class Clerk:
    """A login of its own that may act as a process's role, and a group beside it; the role itself stays as it is."""

    def __init__(self, database: Database, role: ProcessRole) -> None:
        self.database = database
        self.role = role
        self.name = Identifier(f"clerk_{uuid.uuid4().hex[:12]}")
        self.group = Identifier(f"group_{uuid.uuid4().hex[:12]}")

    def administer(self, *statements: LiteralString) -> None:
        with psycopg.connect(self.database.admin, autocommit=True) as admin:
            for statement in statements:
                admin.execute(self._written(statement))

    def check(self) -> None:
        user = self.name.as_string().strip('"')
        url = conninfo.make_conninfo(self.database.admin, user=user, password=_PASSWORD)
        engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)
        with engine.connect() as connection:
            check(connection, self.role)

    def _written(self, statement: LiteralString) -> Composed:
        return SQL(statement).format(clerk=self.name, group=self.group, database=Identifier(self.database.name))


@pytest.fixture(params=ROLES, ids=str)
def clerk(database: Database, request: pytest.FixtureRequest) -> Iterator[Clerk]:
    clerk = Clerk(database, request.param)
    clerk.administer(
        f"CREATE ROLE {{clerk}} LOGIN PASSWORD '{_PASSWORD}' IN ROLE {clerk.role}", "CREATE ROLE {group} NOLOGIN"
    )
    try:
        yield clerk
    finally:
        clerk.administer(
            "ALTER DATABASE {database} OWNER TO CURRENT_USER",
            "DROP OWNED BY {clerk}, {group}",
            "DROP ROLE {clerk}, {group}",
        )


def test_a_login_that_acts_as_the_role_and_is_in_a_group_without_rights_may_start(clerk: Clerk) -> None:
    clerk.administer("GRANT {group} TO {clerk}")
    clerk.check()


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE {clerk} SUPERUSER",
        "ALTER ROLE {clerk} BYPASSRLS",
        "ALTER ROLE {clerk} CREATEROLE",
        "ALTER ROLE {clerk} CREATEDB",
        "ALTER ROLE {clerk} REPLICATION",
        "GRANT fieldlab_owner TO {clerk}",
        "GRANT fieldlab_maintainer TO {clerk}",
        "GRANT pg_read_all_data TO {clerk}",
        "GRANT pg_read_all_stats TO {clerk}",
        "ALTER ROLE {group} SUPERUSER; GRANT {group} TO {clerk}",
        "ALTER ROLE {group} CREATEROLE; GRANT {group} TO {clerk}",
        "ALTER DATABASE {database} OWNER TO {group}; GRANT {group} TO {clerk}",
        "ALTER DATABASE {database} OWNER TO {clerk}",
        "ALTER ROLE {clerk} NOINHERIT; GRANT SELECT ON fieldlab.measurement TO {group}; GRANT {group} TO {clerk}",
        "GRANT SELECT ON fieldlab.measurement TO {clerk}",
        "GRANT SELECT (value) ON fieldlab.measurement TO {clerk}",
        "GRANT SELECT ON fieldlab.measurement_1m TO {clerk}",
        "GRANT SELECT ON fieldlab.reject TO {clerk}",
        "GRANT SELECT ON fieldlab.credential TO {clerk}",
        "GRANT SELECT ON fieldlab.tenure_event TO {clerk}",
        "GRANT INSERT ON fieldlab.tenure TO {clerk}",
        "GRANT INSERT ON fieldlab.credential TO {clerk}",
        "GRANT UPDATE (owner_id) ON fieldlab.tenure TO {clerk}",
        "GRANT UPDATE ON fieldlab.binding TO {clerk}",
        "GRANT DELETE ON fieldlab.measurement TO {clerk}",
        "GRANT TRIGGER ON fieldlab.measurement TO {clerk}",
        "GRANT INSERT ON visible.tenure TO {clerk}",
        "GRANT CREATE ON SCHEMA public TO {clerk}",
        "GRANT CREATE ON DATABASE {database} TO {clerk}",
        "GRANT TEMPORARY ON DATABASE {database} TO {clerk}",
    ],
)
def test_more_than_the_role_needs_is_named_and_refused(clerk: Clerk, statement: str) -> None:
    clerk.administer(*statement.split("; "))
    with pytest.raises(ExcessRights, match=f"Connect as {clerk.role}"):
        clerk.check()


def test_each_process_keeps_out_of_the_other_s_schema(clerk: Clerk) -> None:
    other = {ProcessRole.GATEWAY: "visible", ProcessRole.API: "fieldlab"}[clerk.role]
    clerk.administer(f"GRANT USAGE ON SCHEMA {other} TO {{clerk}}")
    with pytest.raises(ExcessRights, match=f"it may use schema {other}"):
        clerk.check()


def test_the_statements_it_names_take_the_rights_away(clerk: Clerk) -> None:
    clerk.administer("GRANT SELECT ON fieldlab.measurement TO {clerk}", "GRANT INSERT ON fieldlab.tenure TO {clerk}")
    with pytest.raises(ExcessRights) as told:
        clerk.check()
    statements = str(told.value).partition("run: ")[2].rstrip(";.")
    with psycopg.connect(clerk.database.admin) as admin:
        admin.execute(statements.encode())
    clerk.check()
