"""A gateway may ask which gaps of its sources are open, to take up what an earlier one left."""

from alembic import op

revision = "0035"
down_revision = "0034"

OPEN = """
ALTER TABLE fieldlab.gap ADD heard timestamptz;
COMMENT ON COLUMN fieldlab.gap.heard IS
    'When the last sample that came before it was measured, by its own clock; NULL: not known.';

CREATE FUNCTION fieldlab.open_gaps(of_sources integer[], earlier interval, most integer)
RETURNS TABLE (source integer, address text, start timestamptz, until timestamptz, cause text, heard timestamptz,
               known bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT b.source_id, b.address, g.start, g.until, g.cause, g.heard, within.many
    FROM (SELECT o.* FROM fieldlab.gap AS o
          WHERE o.recovered IS NULL AND EXISTS (SELECT FROM fieldlab.binding AS x
                                                WHERE x.stream_id = o.stream_id AND x.source_id = ANY (of_sources))
          ORDER BY o.start DESC LIMIT most) AS g
    JOIN fieldlab.binding AS b ON b.stream_id = g.stream_id AND b.source_id = ANY (of_sources)
    CROSS JOIN LATERAL (SELECT count(*) AS many FROM fieldlab.measurement AS m
                        WHERE m.stream_id = g.stream_id AND m.time > coalesce(g.heard, g.start - earlier)
                          AND m.time < g.until AND m.origin & 15 <> 1) AS within
$$;
COMMENT ON FUNCTION fieldlab.open_gaps IS
    'The newest open gaps of the streams that sources feed: since when samples may be missing, and how many since then
are there that were not fetched from a history.';
REVOKE ALL ON FUNCTION fieldlab.open_gaps FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fieldlab.open_gaps TO fieldlab_gateway;
"""


def upgrade() -> None:
    op.execute(OPEN)


def downgrade() -> None:
    op.execute("DROP FUNCTION fieldlab.open_gaps; ALTER TABLE fieldlab.gap DROP heard")
