"""What a process may do in the database: no more than its role needs, or it does not start."""

from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, text

from fieldlab.errors import ExcessRights


class ProcessRole(StrEnum):
    """The database roles of the long-running processes."""

    GATEWAY = "fieldlab_gateway"
    API = "fieldlab_api"


# What no process may be: an administrator, the owner of the tables, another process, or a reader of everything.
_POWERS: Final = text(
    """
    SELECT 'it is a superuser', NULL
    FROM pg_roles WHERE rolname = current_user AND rolsuper
    UNION ALL
    SELECT 'it bypasses row security', format('ALTER ROLE %I NOBYPASSRLS', rolname)
    FROM pg_roles WHERE rolname = current_user AND rolbypassrls AND NOT rolsuper
    UNION ALL
    SELECT 'it may create roles', format('ALTER ROLE %I NOCREATEROLE', rolname)
    FROM pg_roles WHERE rolname = current_user AND rolcreaterole AND NOT rolsuper
    UNION ALL
    SELECT 'it may read the replication stream', format('ALTER ROLE %I NOREPLICATION', rolname)
    FROM pg_roles WHERE rolname = current_user AND rolreplication AND NOT rolsuper
    UNION ALL
    SELECT format('it is a member of %s', other.rolname), format('REVOKE %I FROM %I', other.rolname, me.rolname)
    FROM pg_roles AS me, pg_roles AS other
    WHERE me.rolname = current_user AND NOT me.rolsuper AND other.rolname <> me.rolname AND other.rolname <> :role
      AND pg_has_role(me.oid, other.oid, 'MEMBER')
      AND (other.rolname LIKE 'fieldlab\\_%' OR other.rolname IN (
          'pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
          'pg_execute_server_program', 'pg_maintain'))
    """
)

# What the gateway may not: read, change or delete a measurement, or see who is who.
_GATEWAY: Final = text(
    """
    SELECT format('it may %s %s', privilege, c.oid::regclass),
           format('REVOKE %s ON %s FROM %I', privilege, c.oid::regclass, current_user)
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace,
         unnest(ARRAY['SELECT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
    WHERE n.nspname = 'fieldlab' AND c.relname IN ('measurement', 'credential', 'secret', 'tenure')
      AND (has_table_privilege(c.oid, privilege)
           OR (privilege IN ('SELECT', 'UPDATE') AND has_any_column_privilege(c.oid, privilege)))
    """
)

# What the query service may not: touch any relation but the views of schema visible, chunks and rollups included;
# reach into schema fieldlab; create anything.
_API: Final = text(
    """
    SELECT format('it may %s %s', privilege, c.oid::regclass),
           format('REVOKE %s ON %s FROM %I', privilege, c.oid::regclass, current_user)
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace,
         unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS privilege
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'visible'
      AND (n.nspname = 'fieldlab' OR c.relowner = to_regrole('fieldlab_owner'))
      AND (has_table_privilege(c.oid, privilege)
           OR (privilege IN ('SELECT', 'INSERT', 'UPDATE') AND has_any_column_privilege(c.oid, privilege)))
    UNION ALL
    SELECT format('it may use schema fieldlab'), format('REVOKE USAGE ON SCHEMA fieldlab FROM %I', current_user)
    WHERE has_schema_privilege('fieldlab', 'USAGE')
    UNION ALL
    SELECT format('it may create in schema %s', n.nspname),
           format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %I', n.nspname, current_user)
    FROM pg_namespace AS n
    WHERE NOT pg_is_other_temp_schema(n.oid) AND n.oid <> pg_my_temp_schema() AND has_schema_privilege(n.oid, 'CREATE')
    UNION ALL
    SELECT format('it may create %s in this database', what),
           format('REVOKE %s ON DATABASE %I FROM PUBLIC, %I', privilege, current_database(), current_user)
    FROM (VALUES ('schemas', 'CREATE'), ('temporary tables', 'TEMPORARY')) AS creation (what, privilege)
    WHERE has_database_privilege(current_database(), privilege)
    """
)

_OWN: Final = {ProcessRole.GATEWAY: _GATEWAY, ProcessRole.API: _API}
_NAMED: Final = 3


def check(connection: Connection, role: ProcessRole) -> None:
    """Hold what the connected user may do against what a process of this role needs.

    Raises ExcessRights that names the rights in excess and the statements that take them away.
    """
    excess = connection.execute(_POWERS, {"role": role.value}).all() or connection.execute(_OWN[role]).all()
    if not excess:
        return
    user = connection.scalar(text("SELECT current_user"))
    rights = "; ".join(right for right, _ in excess[:_NAMED])
    more = f"; and {len(excess) - _NAMED} more" if len(excess) > _NAMED else ""
    remedies = [remedy for _, remedy in excess[:_NAMED] if remedy]
    run = f", or as an administrator run: {'; '.join(remedies)};" if remedies else "."
    raise ExcessRights(
        f"The database user {user} may do more than this process needs: {rights}{more}. Connect as {role.value}{run}"
    )
