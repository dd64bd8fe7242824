"""The catalogue says how often a stream is measured, by the newest samples that the reader may see of it."""

from alembic import op

revision = "0044"
down_revision = "0043"

_BEGIN = """
DROP FUNCTION visible.extent;
CREATE FUNCTION visible.extent(of_streams integer[])
RETURNS TABLE (stream integer, first timestamptz, last timestamptz{column})
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
"""

_RATED = """
    WITH edges AS (
        SELECT e.stream_id, min(edge.first) AS first, max(edge.last) AS last,
               (array_agg(e.start ORDER BY edge.last DESC NULLS LAST, e.start))[1] AS start
        FROM fieldlab.permitted AS e CROSS JOIN LATERAL (
            SELECT (SELECT n.time FROM fieldlab.measurement AS n
                    WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
                    ORDER BY n.time LIMIT 1) AS first,
                   (SELECT n.time FROM fieldlab.measurement AS n
                    WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
                    ORDER BY n.time DESC LIMIT 1) AS last) AS edge
        WHERE e.reader_id = reader AND e.stream_id = ANY (of_streams) AND e.basis <> 'preview'
          AND e.resolution_floor IS NULL
        GROUP BY e.stream_id HAVING min(edge.first) IS NOT NULL)
    SELECT x.stream_id, x.first, x.last, usual.rate
    FROM edges AS x CROSS JOIN LATERAL (
        SELECT 1 / percentile_cont(0.5) WITHIN GROUP (ORDER BY d.seconds) AS rate
        FROM (SELECT extract(epoch FROM k.time - lag(k.time) OVER (ORDER BY k.time))::double precision AS seconds
              FROM (SELECT n.time FROM fieldlab.measurement AS n
                    WHERE n.stream_id = x.stream_id AND n.time >= x.start AND n.time <= x.last
                    ORDER BY n.time DESC LIMIT 32) AS k) AS d
        WHERE d.seconds > 0) AS usual;
END $$;
COMMENT ON FUNCTION visible.extent IS
    'The times of the oldest and newest readable sample of each stream that has one, and how many there are a second, by
the usual distance between the newest of the newest readable stretch; none under a floor.';
"""

_PLAIN = """
    SELECT e.stream_id, min(edge.first), max(edge.last)
    FROM fieldlab.permitted AS e CROSS JOIN LATERAL (
        SELECT (SELECT n.time FROM fieldlab.measurement AS n
                WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
                ORDER BY n.time LIMIT 1) AS first,
               (SELECT n.time FROM fieldlab.measurement AS n
                WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
                ORDER BY n.time DESC LIMIT 1) AS last) AS edge
    WHERE e.reader_id = reader AND e.stream_id = ANY (of_streams) AND e.basis <> 'preview'
      AND e.resolution_floor IS NULL
    GROUP BY e.stream_id HAVING min(edge.first) IS NOT NULL;
END $$;
COMMENT ON FUNCTION visible.extent IS
    'The times of the oldest and newest readable sample of each stream that has one; none under a floor.';
"""

_RIGHTS = """
REVOKE ALL ON FUNCTION visible.extent FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.extent TO fieldlab_api;
"""


def upgrade() -> None:
    op.execute(_BEGIN.replace("{column}", ", rate double precision") + _RATED + _RIGHTS)


def downgrade() -> None:
    op.execute(_BEGIN.replace("{column}", "") + _PLAIN + _RIGHTS)
