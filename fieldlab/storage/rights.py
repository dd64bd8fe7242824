"""What a process may do in the database: no more than its role needs, or it does not start."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, text

from fieldlab.errors import ExcessRights


class ProcessRole(StrEnum):
    """The database roles of the long-running processes."""

    GATEWAY = "fieldlab_gateway"
    API = "fieldlab_api"


# What no process may be or become: an administrator, the owner of anything, another process, a reader of everything.
# A group that owns nothing and has no right here is none of that.
_POWERS: Final = text(
    """
    SELECT 'it is a superuser', NULL
    FROM pg_roles WHERE rolname = current_user AND rolsuper
    UNION ALL
    SELECT format('it %s', power), format('ALTER ROLE %I %s', rolname, remedy)
    FROM pg_roles, LATERAL (VALUES
        (rolbypassrls, 'bypasses row security', 'NOBYPASSRLS'), (rolcreaterole, 'may create roles', 'NOCREATEROLE'),
        (rolcreatedb, 'may create databases', 'NOCREATEDB'),
        (rolreplication, 'may read the replication stream', 'NOREPLICATION')) AS powers (held, power, remedy)
    WHERE rolname = current_user AND held AND NOT rolsuper
    UNION ALL
    SELECT format('it owns the database %s', datname), format('ALTER DATABASE %I OWNER TO fieldlab_owner', datname)
    FROM pg_database AS d JOIN pg_roles AS me ON me.oid = d.datdba
    WHERE datname = current_database() AND me.rolname = current_user AND NOT rolsuper
    UNION ALL
    SELECT format('it is a member of %s', other.rolname), format('REVOKE %I FROM %I', other.rolname, me.rolname)
    FROM pg_roles AS me, pg_roles AS other
    WHERE me.rolname = current_user AND NOT me.rolsuper AND other.rolname <> me.rolname AND other.rolname <> :role
      AND other.rolname <> 'pg_database_owner' AND pg_has_role(me.oid, other.oid, 'MEMBER')
      AND (other.rolname LIKE 'fieldlab\\_%' OR other.rolname LIKE 'pg\\_%' OR other.rolsuper OR other.rolbypassrls
           OR other.rolcreaterole OR other.rolcreatedb OR other.rolreplication
           OR EXISTS (SELECT FROM pg_shdepend AS d
                      WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = other.oid
                        AND (d.deptype = 'o'
                             OR d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))))
    """
)

# What no process may make: anything that stays, or that others' statements could stumble upon.
_MAKING: Final = text(
    """
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

# What a process may not: touch any relation of the product's, chunks and rollups included, but as it needs to; use a
# schema that is not for it.
_REACH: Final = text(
    """
    SELECT format('it may %s %s', privilege, c.oid::regclass),
           format('REVOKE %s ON %s FROM %I', privilege, c.oid::regclass, current_user)
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace,
         unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) AS privilege
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND (n.nspname IN ('fieldlab', 'visible') OR c.relowner = to_regrole('fieldlab_owner'))
      AND concat(privilege, ' ', n.nspname, '.', c.relname) NOT LIKE ALL (CAST(:needed AS text[]))
      AND (has_table_privilege(c.oid, privilege)
           OR (privilege NOT IN ('DELETE', 'TRUNCATE', 'TRIGGER') AND has_any_column_privilege(c.oid, privilege)))
    UNION ALL
    SELECT format('it may use schema %s', nspname), format('REVOKE USAGE ON SCHEMA %I FROM %I', nspname, current_user)
    FROM pg_namespace WHERE nspname = ANY (CAST(:closed AS text[])) AND has_schema_privilege(oid, 'USAGE')
    """
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Need:
    """What a role needs of the product's relations, as LIKE patterns, and the schemas that are not for it."""

    relations: tuple[str, ...]
    closed: tuple[str, ...]


_NEEDS: Final = {
    ProcessRole.GATEWAY: _Need(
        relations=(
            *(f"SELECT fieldlab.{name}" for name in ("source", "binding", "stream", "asset", "platform")),
            *(f"INSERT fieldlab.{name}" for name in ("measurement", "reject", "gap")),
            "INSERT fieldlab_chunk.%",
            "INSERT _timescaledb_internal.%",
        ),
        closed=("visible", "fieldlab_chunk"),
    ),
    ProcessRole.API: _Need(relations=("SELECT visible.%",), closed=("fieldlab", "fieldlab_chunk")),
}
"""A right that a revision newly grants to a process is written here too."""

_NAMED: Final = 3


def check(connection: Connection, role: ProcessRole) -> None:
    """Hold what the connected user may do against what a process of this role needs.

    Raises ExcessRights that names the rights in excess and the statements that take them away.
    """
    need = _NEEDS[role]
    excess = list(connection.execute(_POWERS, {"role": role.value}))
    if not excess:
        asked = {"needed": list(need.relations), "closed": list(need.closed)}
        excess = [*connection.execute(_REACH, asked), *connection.execute(_MAKING)]
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
