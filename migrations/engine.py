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

_DROP_ROLLUPS: Final = text(
    """
    DO $$
    DECLARE
        rollup text;
    BEGIN
        FOREACH rollup IN ARRAY ARRAY['measurement_1m', 'measurement_1h'] LOOP
            IF to_regclass('fieldlab.' || rollup) IS NOT NULL THEN
                BEGIN
                    EXECUTE format('DROP VIEW fieldlab.%I', rollup);
                EXCEPTION WHEN wrong_object_type OR feature_not_supported OR object_not_in_prerequisite_state THEN
                    EXECUTE format('DROP MATERIALIZED VIEW fieldlab.%I', rollup);
                END;
            END IF;
        END LOOP;
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

    DO $$ BEGIN
        CREATE TYPE public.fieldlab_peak AS (at timestamptz, value double precision);
    EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    CREATE OR REPLACE FUNCTION public.fieldlab_lower(
        peak public.fieldlab_peak, at timestamptz, value double precision)
    RETURNS public.fieldlab_peak LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT CASE WHEN value IS NOT NULL AND (peak IS NULL OR value < peak.value)
                   THEN ROW(at, value)::public.fieldlab_peak ELSE peak END $$;
    CREATE OR REPLACE FUNCTION public.fieldlab_higher(
        peak public.fieldlab_peak, at timestamptz, value double precision)
    RETURNS public.fieldlab_peak LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT CASE WHEN value IS NOT NULL AND (peak IS NULL OR value > peak.value)
                   THEN ROW(at, value)::public.fieldlab_peak ELSE peak END $$;
    CREATE OR REPLACE FUNCTION public.fieldlab_peak_at(peak public.fieldlab_peak) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT peak.at $$;
    CREATE OR REPLACE AGGREGATE public.first(timestamptz, double precision) (
        SFUNC = public.fieldlab_lower, STYPE = public.fieldlab_peak, FINALFUNC = public.fieldlab_peak_at);
    CREATE OR REPLACE AGGREGATE public.last(timestamptz, double precision) (
        SFUNC = public.fieldlab_higher, STYPE = public.fieldlab_peak, FINALFUNC = public.fieldlab_peak_at);
    """
)

_UNSHIM: Final = text(
    """
    DROP AGGREGATE IF EXISTS public.first(double precision, timestamptz);
    DROP AGGREGATE IF EXISTS public.last(double precision, timestamptz);
    DROP AGGREGATE IF EXISTS public.first(timestamptz, double precision);
    DROP AGGREGATE IF EXISTS public.last(timestamptz, double precision);
    DROP FUNCTION IF EXISTS public.fieldlab_peak_at;
    DROP FUNCTION IF EXISTS public.fieldlab_higher;
    DROP FUNCTION IF EXISTS public.fieldlab_lower;
    DROP TYPE IF EXISTS public.fieldlab_peak;
    DROP FUNCTION IF EXISTS public.fieldlab_edge_value;
    DROP FUNCTION IF EXISTS public.fieldlab_later;
    DROP FUNCTION IF EXISTS public.fieldlab_earlier;
    DROP TYPE IF EXISTS public.fieldlab_edge;
    DROP FUNCTION IF EXISTS public.time_bucket(interval, timestamptz);
    DROP FUNCTION IF EXISTS public.time_bucket(interval, timestamptz, timestamptz);
    """
)

_COMPLETE: Final = text(
    "SELECT to_regclass('fieldlab.measurement_1m') IS NOT NULL AND to_regclass('fieldlab.measurement_1h') IS NOT NULL"
)
_ROLLUPS: Final = {"measurement_1m": "1 minute", "measurement_1h": "1 hour"}

_ROLLUP_QUERY: Final = """
    SELECT stream_id, public.time_bucket(interval '{width}', time) AS bucket,
           count(*) AS samples, count(value) AS valued, sum(value) AS total,
           var_pop(value) * count(value) AS deviations, min(value) AS least, max(value) AS greatest,
           public.first(time, value) FILTER (WHERE value IS NOT NULL) AS least_at,
           public.last(time, value) FILTER (WHERE value IS NOT NULL) AS greatest_at,
           public.first(value, time) FILTER (WHERE value IS NOT NULL) AS first,
           min(time) FILTER (WHERE value IS NOT NULL) AS first_at,
           public.last(value, time) FILTER (WHERE value IS NOT NULL) AS last,
           max(time) FILTER (WHERE value IS NOT NULL) AS last_at,
           bit_or(1 << (origin & 15)) AS origins
    FROM fieldlab.measurement WHERE status >= 0
    GROUP BY stream_id, public.time_bucket(interval '{width}', time)
"""
_ROLLUP: Final = "CREATE VIEW fieldlab.{name} AS {query}"
_CONTINUOUS_ROLLUP: Final = """
    CREATE MATERIALIZED VIEW fieldlab.{name}
    WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS {query} WITH NO DATA
"""
_DESCRIBE_ROLLUP: Final = """
    COMMENT ON VIEW fieldlab.{name} IS
        'Samples that are not bad, by stream and {width}; owners change on whole minutes only. deviations is the sum of
squared deviations from the mean, origins a set of bits.'
"""

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
_HAS_COLUMNSTORE: Final = text(
    """
    SELECT compression_enabled FROM timescaledb_information.hypertables
    WHERE hypertable_schema = 'fieldlab' AND hypertable_name = 'measurement'
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
_REFRESH: Final = """
    SELECT public.add_continuous_aggregate_policy('fieldlab.{name}', start_offset => NULL,
        end_offset => interval '{width}' * 2, schedule_interval => interval '1 minute', if_not_exists => true,
        refresh_newest_first => false)
"""
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
            connection.execute(_DROP_ROLLUPS)
        connection.execute(_UNSHIM)
        connection.execute(_EXTEND)
    return Engine.COMMUNITY if connection.scalar(_LICENCE) == "timescale" else Engine.APACHE


def fit(connection: Connection, engine: Engine) -> str:
    """Fit the measurements to the engine, record it, and give its version for people. Safe to run again."""
    version: str = connection.scalar(_VERSION) or ""
    recorded = connection.execute(text("SELECT engine, version FROM fieldlab.platform")).one_or_none()
    complete = connection.scalar(_COMPLETE)
    if not complete or recorded is None or recorded.engine != engine:
        unfit(connection)
        _build(connection, engine)
    connection.execute(_RECORD, {"engine": engine, "version": version})
    return version


def unfit(connection: Connection) -> None:
    """Take away what stands on the measurements, so that the tables below can change."""
    connection.execute(_DROP_ROLLUPS)


def shim(connection: Connection) -> None:
    """Give plain PostgreSQL the three TimescaleDB functions that the product's SQL uses."""
    connection.execute(_SHIM)


def _build(connection: Connection, engine: Engine) -> None:
    if engine is not Engine.PLAIN and not connection.scalar(_IS_HYPERTABLE):
        connection.execute(_CHUNK_SCHEMA)
        connection.execute(_MAKE_HYPERTABLE)
    if engine is Engine.COMMUNITY and not connection.scalar(_HAS_COLUMNSTORE):
        for statement in _COLUMNSTORE:
            connection.execute(statement)
    template = _CONTINUOUS_ROLLUP if engine is Engine.COMMUNITY else _ROLLUP
    for name, width in _ROLLUPS.items():
        query = _ROLLUP_QUERY.format(width=width)
        connection.execute(text(template.format(name=name, query=query)))
        connection.execute(text(_DESCRIBE_ROLLUP.format(name=name, width=width)))
    if engine is Engine.COMMUNITY:
        connection.execute(_ENCLOSE_ROLLUP)
        for name, width in _ROLLUPS.items():
            connection.execute(text(_REFRESH.format(name=name, width=width)))
