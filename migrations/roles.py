"""The database roles: one for the owner of the tables, one for each kind of process, each with the least it needs."""

from typing import Final

from psycopg.sql import SQL, Identifier, Literal
from sqlalchemy import Connection, text

OWNER: Final = "fieldlab_owner"
GATEWAY: Final = "fieldlab_gateway"
API: Final = "fieldlab_api"
MAINTAINER: Final = "fieldlab_maintainer"
PROCESS_ROLES: Final = (GATEWAY, API, MAINTAINER)

_CREATE: Final = text(
    """
    DO $$ BEGIN
        CREATE ROLE fieldlab_owner NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
    DO $$ BEGIN
        CREATE ROLE fieldlab_gateway LOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
    DO $$ BEGIN
        CREATE ROLE fieldlab_api LOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
    DO $$ BEGIN
        CREATE ROLE fieldlab_maintainer LOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
    """
)

_SETTLE: Final = text(
    """
    DO $$
    DECLARE
        -- Since PostgreSQL 16 whoever creates a role is a member that may grant it, and may not yet act as it.
        needed text := CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END;
    BEGIN
        IF NOT pg_has_role(current_user, 'fieldlab_owner', needed) THEN
            EXECUTE format('GRANT fieldlab_owner TO %I', current_user);
        END IF;
        EXECUTE format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
        EXECUTE format('GRANT CREATE ON DATABASE %I TO fieldlab_owner', current_database());
    END $$;
    CREATE SCHEMA IF NOT EXISTS fieldlab AUTHORIZATION fieldlab_owner;
    COMMENT ON SCHEMA fieldlab IS 'The tables of the platform; processes have the least rights on them.';
    """
)

# Of two who alter a role at once one fails, and advisory locks hold in one database: commenting on a role locks it in
# the whole cluster until the transaction ends.
_SET_PASSWORD: Final = SQL("COMMENT ON ROLE {0} IS 'A process of Fieldlab.'; ALTER ROLE {0} LOGIN PASSWORD {1}")
_LET_OWNER_LOG_IN: Final = text(
    """
    DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'fieldlab_owner' AND NOT rolcanlogin) THEN
            COMMENT ON ROLE fieldlab_owner IS 'Owns the tables of Fieldlab; its background jobs log in.';
            ALTER ROLE fieldlab_owner LOGIN;
        END IF;
    END $$
    """
)


def create_roles(connection: Connection) -> None:
    """Create the roles that are missing in the cluster, and give each its place in this database."""
    connection.execute(_CREATE)
    connection.execute(_SETTLE)


def let_owner_log_in(connection: Connection) -> None:
    """Let the owner of the tables log in, as the background jobs of TimescaleDB Community do; it has no password."""
    connection.execute(_LET_OWNER_LOG_IN)


def set_password(connection: Connection, role: str, password: str) -> None:
    """Set the password with which a process role logs in, after whoever is setting it from another database."""
    statement = _SET_PASSWORD.format(Identifier(role), Literal(password))
    connection.exec_driver_sql(statement.as_string())
