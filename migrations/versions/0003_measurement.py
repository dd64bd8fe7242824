"""What was measured, what was refused, and what is known to be missing.

The planner keeps no statistics of values: whoever may name a table, reading it or not, can ask the planner for them.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

CREATE = """
CREATE TABLE fieldlab.measurement (
    stream_id integer NOT NULL,
    status smallint NOT NULL DEFAULT 0,
    origin smallint NOT NULL DEFAULT 0,
    time timestamptz NOT NULL,
    value double precision,
    text text,
    PRIMARY KEY (stream_id, time)
);
ALTER TABLE fieldlab.measurement ALTER COLUMN value SET STATISTICS 0, ALTER COLUMN text SET STATISTICS 0;
COMMENT ON TABLE fieldlab.measurement IS
    'One row a sample. status: upper half of the OPC UA StatusCode, signed; origin: see fieldlab.readings.origin.';

CREATE TABLE fieldlab.reject (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id integer NOT NULL REFERENCES fieldlab.source,
    received_at timestamptz NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    raw bytea NOT NULL,
    address text,
    time timestamptz
);
COMMENT ON TABLE fieldlab.reject IS 'An input that could not become a measurement, with its bytes and the reason.';
CREATE INDEX ON fieldlab.reject (source_id, received_at);

CREATE TABLE fieldlab.gap (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id integer NOT NULL REFERENCES fieldlab.stream,
    start timestamptz NOT NULL,
    until timestamptz NOT NULL,
    cause text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CHECK (start < until)
);
COMMENT ON TABLE fieldlab.gap IS 'A known hole in a stream, with its cause.';
CREATE INDEX ON fieldlab.gap (stream_id, start);

CREATE FUNCTION fieldlab.conflicting_rows()
RETURNS TABLE (stream_id integer, "time" timestamptz, value double precision, text text, status smallint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, fieldlab, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT s.stream_id, s.time, s.value, s.text, s.status
    FROM pg_temp.staging AS s JOIN fieldlab.measurement AS m ON m.stream_id = s.stream_id AND m.time = s.time
    WHERE (m.value, m.text, m.status) IS DISTINCT FROM (s.value, s.text, s.status);
END $$;
COMMENT ON FUNCTION fieldlab.conflicting_rows IS
    'Rows of the caller''s temporary table staging whose key holds another value; shows nothing that is stored.';
REVOKE ALL ON FUNCTION fieldlab.conflicting_rows FROM PUBLIC;
"""

DROP = """
DROP FUNCTION fieldlab.conflicting_rows;
DROP TABLE fieldlab.measurement;
DROP TABLE fieldlab.gap, fieldlab.reject;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)
