"""Closing what a PostgreSQL database tells everybody: sizes, counts, statistics, and where stored data lies in time.

PostgreSQL lets any user read how many rows a table has, how large it is, how much was written and which stretches of
time its chunks cover, and lets any user plan a query over a table it may not read. What the query service's role knows
of that it would know of data that its reader may not see. Everybody else who needs it keeps it: the other roles of the
product, whoever migrates, and `pg_monitor`. Safe to run again.
"""

from typing import Final

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

# Writes the statements that take a right from PUBLIC and give it to whom it concerns.
_STATEMENTS: Final = text(
    """
    WITH kept (by) AS (
        SELECT format('fieldlab_owner, fieldlab_gateway, fieldlab_maintainer, pg_monitor, %I', current_user))
    SELECT unnest(ARRAY[format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', nspname),
                        format('GRANT USAGE ON SCHEMA %I TO %s', nspname, by)])
    FROM pg_namespace, kept
    WHERE nspname = 'public' AND has_schema_privilege('public', oid, 'USAGE')
    UNION ALL
    SELECT unnest(ARRAY[format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', oid::regprocedure),
                        format('GRANT EXECUTE ON ROUTINE %s TO %s', oid::regprocedure, by)])
    FROM pg_proc, kept
    WHERE (pronamespace = 'pg_catalog'::regnamespace AND proname ~ :telling
           OR pronamespace::regnamespace::text ~ :schemas AND prokind IN ('f', 'p'))
      AND has_function_privilege('public', oid, 'EXECUTE')
    UNION ALL
    SELECT unnest(ARRAY[format('REVOKE ALL ON %s FROM PUBLIC', oid::regclass),
                        format('GRANT SELECT ON %s TO %s', oid::regclass, by)])
    FROM pg_class, kept
    WHERE (relnamespace = 'pg_catalog'::regnamespace AND relname ~ :showing
           OR relnamespace::regnamespace::text ~ :schemas AND relkind IN ('r', 'v', 'S'))
      AND has_table_privilege('public', oid, 'SELECT')
    UNION ALL
    SELECT unnest(ARRAY['REVOKE ALL ON pg_catalog.pg_class FROM PUBLIC',
                        format('GRANT SELECT (%s) ON pg_catalog.pg_class TO PUBLIC',
                               string_agg(quote_ident(attname), ', ')),
                        format('GRANT SELECT ON pg_catalog.pg_class TO %s', min(by))])
    FROM pg_attribute, kept
    WHERE attrelid = 'pg_class'::regclass AND attnum > 0 AND attname !~ :counting
    HAVING has_table_privilege('public', 'pg_class', 'SELECT')
    UNION ALL
    SELECT format('ALTER FUNCTION %s SET debug_print_plan = off', oid::regprocedure)
    FROM pg_proc
    WHERE prosecdef AND pronamespace IN ('fieldlab'::regnamespace, 'visible'::regnamespace)
      AND 'debug_print_plan=off' <> ALL (coalesce(proconfig, '{}'))
    UNION ALL
    SELECT 'UPDATE _timescaledb_catalog.hypertable SET associated_schema_name = schema_name '
           'WHERE schema_name = ''fieldlab_chunk'' AND associated_schema_name <> schema_name'
    WHERE to_regclass('_timescaledb_catalog.hypertable') IS NOT NULL
    """
)

# What PUBLIC has kept, because whoever migrates may not take it away.
_LEFT: Final = text(
    """
    SELECT 'schema public' WHERE has_schema_privilege('public', 'public', 'USAGE')
    UNION ALL
    SELECT 'function ' || oid::regprocedure FROM pg_proc
    WHERE (pronamespace = 'pg_catalog'::regnamespace AND proname ~ :telling
           OR pronamespace::regnamespace::text ~ :schemas AND prokind IN ('f', 'p'))
      AND has_function_privilege('public', oid, 'EXECUTE')
    UNION ALL
    SELECT 'relation ' || oid::regclass FROM pg_class
    WHERE (relnamespace = 'pg_catalog'::regnamespace AND (relname ~ :showing OR relname = 'pg_class')
           OR relnamespace::regnamespace::text ~ :schemas AND relkind IN ('r', 'v', 'S'))
      AND has_table_privilege('public', oid, 'SELECT')
    """
)

_PATTERNS: Final = {
    # TimescaleDB looks names up in its schemas on behalf of everybody: they stay open, what they hold is closed.
    "schemas": r"^_?timescaledb_",
    # Sizes, statistics, activity, the log's and the transactions' counters, and bounds of time; and what lets one
    # session hinder another or leave something behind: advisory locks, signals, large objects.
    "telling": r"^(pg_stat_(get|clear|force)_.*"
    r"|pg_(relation|total_relation|table|indexes|database|tablespace)_size"
    r"|pg_relation_file(node|path)|pg_filenode_relation|pg_lock_status|pg_(safe_snapshot_)?blocking_pids"
    r"|pg_sequence_last_value|pg_get_sequence_data|pg_get_(partition_)?constraintdef"
    r"|pg_control_.*|pg_current_(wal|xact|snapshot).*|pg_last_.*|pg_xact_.*|txid_(current|status).*"
    r"|pg_export_snapshot|pg_get_multixact_members|pg_available_wal_summaries|pg_wal_summary_contents|pg_get_wal_.*"
    r"|pg_get_replication_slots|pg_notification_queue_usage|pg_prepared_xact|pg_logical_emit_message|pg_nextoid"
    r"|pg_(try_)?advisory_.*|pg_(cancel|terminate)_backend|lo_(creat|create|from_bytea))$",
    "showing": r"^(pg_(stat|statio)_.*|pg_stats.*|pg_locks|pg_sequences|pg_constraint|pg_prepared_xacts)$",
    "counting": r"^(reltuples|relpages|relallvisible|relallfrozen|relfrozenxid|relminmxid|relfilenode)$",
}


def seal(connection: Connection) -> tuple[str, ...]:
    """Take from PUBLIC what tells of stored data; give what stays open where the user may not take it.

    Run as the administrator. A superuser can close all of it.
    """
    for statement in connection.scalars(_STATEMENTS, _PATTERNS).all():
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(statement)
        except ProgrammingError as error:
            if not isinstance(error.orig, InsufficientPrivilege):
                raise
    return tuple(connection.scalars(_LEFT, {name: _PATTERNS[name] for name in ("schemas", "telling", "showing")}))
