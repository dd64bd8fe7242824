"""The step that fits the schema to the engine under it: plain PostgreSQL, TimescaleDB Apache, TimescaleDB Community.

Every engine gets the same relations and answers. Moving up (plain to TimescaleDB, Apache to Community) happens here,
with the data kept; moving down is a dump and a restore.
"""

from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, text


class Engine(StrEnum):
    """What a database server is, as far as measurements are concerned."""

    PLAIN = "plain"
    APACHE = "apache"
    COMMUNITY = "community"


_LOADED: Final = text(
    """
    SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
       AND current_setting('timescaledb.disable_load', true) IS NOT NULL
    """
)
_LICENCE: Final = text("SELECT current_setting('timescaledb.license', true)")
_VERSION: Final = text(
    """
    SELECT 'PostgreSQL ' || current_setting('server_version')
        || coalesce(', TimescaleDB ' || (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'), '')
    """
)
_RECORD: Final = text(
    """
    INSERT INTO fieldlab.platform (engine, version) VALUES (:engine, :version)
    ON CONFLICT (singleton) DO UPDATE SET engine = excluded.engine, version = excluded.version, detected_at = now()
    WHERE (platform.engine, platform.version) IS DISTINCT FROM (excluded.engine, excluded.version)
    """
)

_DROP_ROLLUP: Final = text(
    """
    DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'fieldlab' AND c.relname = 'measurement_1m') THEN
            BEGIN
                EXECUTE 'DROP VIEW fieldlab.measurement_1m';
            EXCEPTION WHEN wrong_object_type OR feature_not_supported OR object_not_in_prerequisite_state THEN
                EXECUTE 'DROP MATERIALIZED VIEW fieldlab.measurement_1m';
            END;
        END IF;
    END $$;
    """
)

_SHIM: Final = text(
    """
    CREATE OR REPLACE FUNCTION public.time_bucket(bucket_width interval, ts timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT date_bin(bucket_width, ts, timestamptz '2000-01-03Z') $$;
    CREATE OR REPLACE FUNCTION public.time_bucket(bucket_width interval, ts timestamptz, origin timestamptz)
    RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT date_bin(bucket_width, ts, origin) $$;

    DO $$ BEGIN
        CREATE TYPE public.fieldlab_edge AS (value double precision, at timestamptz);
    EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    CREATE OR REPLACE FUNCTION public.fieldlab_earlier(
        edge public.fieldlab_edge, value double precision, at timestamptz)
    RETURNS public.fieldlab_edge LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT CASE WHEN at IS NOT NULL AND (edge IS NULL OR at < edge.at)
                   THEN ROW(value, at)::public.fieldlab_edge ELSE edge END $$;
    CREATE OR REPLACE FUNCTION public.fieldlab_later(
        edge public.fieldlab_edge, value double precision, at timestamptz)
    RETURNS public.fieldlab_edge LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT CASE WHEN at IS NOT NULL AND (edge IS NULL OR at > edge.at)
                   THEN ROW(value, at)::public.fieldlab_edge ELSE edge END $$;
    CREATE OR REPLACE FUNCTION public.fieldlab_edge_value(edge public.fieldlab_edge) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT edge.value $$;
    CREATE OR REPLACE AGGREGATE public.first(double precision, timestamptz) (
        SFUNC = public.fieldlab_earlier, STYPE = public.fieldlab_edge, FINALFUNC = public.fieldlab_edge_value);
    CREATE OR REPLACE AGGREGATE public.last(double precision, timestamptz) (
        SFUNC = public.fieldlab_later, STYPE = public.fieldlab_edge, FINALFUNC = public.fieldlab_edge_value);
    """
)

_UNSHIM: Final = text(
    """
    DROP AGGREGATE IF EXISTS public.first(double precision, timestamptz);
    DROP AGGREGATE IF EXISTS public.last(double precision, timestamptz);
    DROP FUNCTION IF EXISTS public.fieldlab_edge_value;
    DROP FUNCTION IF EXISTS public.fieldlab_later;
    DROP FUNCTION IF EXISTS public.fieldlab_earlier;
    DROP TYPE IF EXISTS public.fieldlab_edge;
    DROP FUNCTION IF EXISTS public.time_bucket(interval, timestamptz);
    DROP FUNCTION IF EXISTS public.time_bucket(interval, timestamptz, timestamptz);
    """
)

_ROLLUP_QUERY: Final = """
    SELECT stream_id, public.time_bucket(interval '1 minute', time) AS bucket,
           count(*) FILTER (WHERE status >= 0) AS samples,
           sum(value) FILTER (WHERE status >= 0) AS total,
           sum(value * value) FILTER (WHERE status >= 0) AS total_of_squares,
           min(value) FILTER (WHERE status >= 0) AS least,
           max(value) FILTER (WHERE status >= 0) AS greatest,
           public.first(value, time) FILTER (WHERE status >= 0) AS first,
           public.last(value, time) FILTER (WHERE status >= 0) AS last
    FROM fieldlab.measurement
    GROUP BY stream_id, public.time_bucket(interval '1 minute', time)
"""
_ROLLUP: Final = text(f"CREATE VIEW fieldlab.measurement_1m AS {_ROLLUP_QUERY}")
_CONTINUOUS_ROLLUP: Final = text(
    f"""
    CREATE MATERIALIZED VIEW fieldlab.measurement_1m
    WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS {_ROLLUP_QUERY} WITH NO DATA
    """
)
_DESCRIBE_ROLLUP: Final = text(
    """
    COMMENT ON VIEW fieldlab.measurement_1m IS 'Measurements by stream and minute; owners change on whole minutes only.'
    """
)

_EXTEND: Final = text("CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public")
_IS_HYPERTABLE: Final = text(
    """
    SELECT EXISTS (SELECT FROM timescaledb_information.hypertables
                   WHERE hypertable_schema = 'fieldlab' AND hypertable_name = 'measurement')
    """
)
_CHUNK_SCHEMA: Final = text(
    """
    CREATE SCHEMA IF NOT EXISTS fieldlab_chunk;
    COMMENT ON SCHEMA fieldlab_chunk IS
        'The parts of fieldlab.measurement by time; closed, since whoever may name a table may ask the planner of it.';
    """
)
_MAKE_HYPERTABLE: Final = text(
    """
    SELECT public.create_hypertable('fieldlab.measurement', 'time', associated_schema_name => 'fieldlab_chunk',
                                    chunk_time_interval => interval '1 day', create_default_indexes => false,
                                    migrate_data => true)
    """
)
_COLUMNSTORE: Final = (
    text(
        """
        ALTER TABLE fieldlab.measurement
        SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'stream_id', timescaledb.orderby = 'time')
        """
    ),
    text(
        "CALL public.add_columnstore_policy('fieldlab.measurement', after => interval '7 days', if_not_exists => true)"
    ),
)
# Oldest first: newest first moves the border of what is stored past what is not stored yet, which is then missing.
_REFRESH: Final = text(
    """
    SELECT public.add_continuous_aggregate_policy('fieldlab.measurement_1m', start_offset => NULL,
        end_offset => interval '2 minutes', schedule_interval => interval '1 minute', if_not_exists => true,
        refresh_newest_first => false)
    """
)
# What a rollup is stored in lies in a schema that TimescaleDB needs open to everybody; see `fieldlab_chunk`.
_ENCLOSE_ROLLUP: Final = text(
    """
    DO $$
    DECLARE
        part record;
    BEGIN
        FOR part IN
            SELECT oid::regclass AS name, CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind FROM pg_class
            WHERE relnamespace = '_timescaledb_internal'::regnamespace AND relowner = 'fieldlab_owner'::regrole
              AND relkind IN ('r', 'v')
        LOOP
            EXECUTE format('ALTER %s %s SET SCHEMA fieldlab_chunk', part.kind, part.name);
        END LOOP;
    END $$
    """
)


def extend(connection: Connection, *, stay_plain: bool = False) -> Engine:
    """Tell what the server is, and install TimescaleDB in this database if the server has it loaded.

    With `stay_plain` a database without TimescaleDB is left without it.
    """
    installed = connection.scalar(text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"))
    if not installed and (stay_plain or not connection.scalar(_LOADED)):
        return Engine.PLAIN
    if not installed:
        if connection.scalar(text("SELECT to_regclass('fieldlab.measurement') IS NOT NULL")):
            connection.execute(_DROP_ROLLUP)
        connection.execute(_UNSHIM)
        connection.execute(_EXTEND)
    return Engine.COMMUNITY if connection.scalar(_LICENCE) == "timescale" else Engine.APACHE


def fit(connection: Connection, engine: Engine) -> str:
    """Fit the measurements to the engine, record it, and give its version for people. Safe to run again."""
    version: str = connection.scalar(_VERSION) or ""
    recorded = connection.execute(text("SELECT engine, version FROM fieldlab.platform")).one_or_none()
    complete = connection.scalar(text("SELECT to_regclass('fieldlab.measurement_1m') IS NOT NULL"))
    if not complete or recorded is None or recorded.engine != engine:
        unfit(connection)
        _build(connection, engine)
    connection.execute(_RECORD, {"engine": engine, "version": version})
    return version


def unfit(connection: Connection) -> None:
    """Take away what stands on the measurements, so that the tables below can change."""
    connection.execute(_DROP_ROLLUP)


def shim(connection: Connection) -> None:
    """Give plain PostgreSQL the three TimescaleDB functions that the product's SQL uses."""
    connection.execute(_SHIM)


def _build(connection: Connection, engine: Engine) -> None:
    if engine is not Engine.PLAIN and not connection.scalar(_IS_HYPERTABLE):
        connection.execute(_CHUNK_SCHEMA)
        connection.execute(_MAKE_HYPERTABLE)
    if engine is Engine.COMMUNITY:
        for statement in _COLUMNSTORE:
            connection.execute(statement)
        connection.execute(_CONTINUOUS_ROLLUP)
        connection.execute(_ENCLOSE_ROLLUP)
        connection.execute(_REFRESH)
    else:
        connection.execute(_ROLLUP)
    connection.execute(_DESCRIBE_ROLLUP)
