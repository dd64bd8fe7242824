"""What the gateway may ask about what is stored, and what else makes its bindings stale."""

from alembic import op

revision = "0006"
down_revision = "0005"

CREATE = """
DROP FUNCTION fieldlab.conflicting_rows;

CREATE FUNCTION fieldlab.known_rows(streams integer[], times timestamptz[], numbers double precision[], texts text[],
                                    statuses smallint[])
RETURNS TABLE ("row" integer, same boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET max_parallel_workers_per_gather = 0 SET jit = off AS $$
DECLARE
    earliest timestamptz := (SELECT min(t) FROM unnest(times) AS t);
    latest timestamptz := (SELECT max(t) FROM unnest(times) AS t);
BEGIN
    PERFORM set_config('timescaledb.enable_chunk_append', 'off', true);
    RETURN QUERY
    SELECT given.position::integer - 1, known.same
    FROM unnest(streams, times, numbers, texts, statuses) WITH ORDINALITY
        AS given (stream, at, number, text, status, position)
    CROSS JOIN LATERAL (
        SELECT (m.value, m.text, m.status) IS NOT DISTINCT FROM (given.number, given.text, given.status) AS same
        FROM fieldlab.measurement AS m
        WHERE m.stream_id = given.stream AND m.time = given.at AND m.time BETWEEN earliest AND latest LIMIT 1) AS known;
END $$;
COMMENT ON FUNCTION fieldlab.known_rows IS
    'Which of the given rows (counted from 0) are stored already, and whether with the same value and status; shows
nothing that is stored. Each row is looked up by its key, whatever the planner thinks. Ask for rows of one day at a
time: their bounds keep the other chunks out of the plan.';
REVOKE ALL ON FUNCTION fieldlab.known_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fieldlab.known_rows TO fieldlab_gateway;

CREATE TRIGGER announce_kind AFTER UPDATE OF kind, asset_id ON fieldlab.stream
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.announce_bindings();
CREATE TRIGGER announce_nature AFTER UPDATE OF nature ON fieldlab.asset
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.announce_bindings();
"""

DROP = """
DROP TRIGGER announce_nature ON fieldlab.asset;
DROP TRIGGER announce_kind ON fieldlab.stream;
DROP FUNCTION fieldlab.known_rows;
CREATE FUNCTION fieldlab.conflicting_rows()
RETURNS TABLE (stream_id integer, "time" timestamptz, value double precision, text text, status smallint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, fieldlab, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT s.stream_id, s.time, s.value, s.text, s.status
    FROM pg_temp.staging AS s JOIN fieldlab.measurement AS m ON m.stream_id = s.stream_id AND m.time = s.time
    WHERE (m.value, m.text, m.status) IS DISTINCT FROM (s.value, s.text, s.status);
END $$;
REVOKE ALL ON FUNCTION fieldlab.conflicting_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fieldlab.conflicting_rows TO fieldlab_gateway;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)
