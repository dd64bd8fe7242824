"""A gap can be closed: what was missing was fetched afterwards from a source that keeps a history."""

from alembic import op

revision = "0009"
down_revision = "0008"

CREATE = """
ALTER TABLE fieldlab.gap
    ADD recovered bigint CHECK (recovered >= 0),
    ADD closed_at timestamptz,
    ADD CONSTRAINT gap_closed_with_a_number CHECK ((recovered IS NULL) = (closed_at IS NULL));
COMMENT ON TABLE fieldlab.gap IS
    'A known hole in a stream, with its cause; recovered says how many samples closed it afterwards, NULL: it is open.';

CREATE FUNCTION fieldlab.close_gaps(streams integer[], starts timestamptz[], untils timestamptz[], causes text[],
                                    counts bigint[])
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE fieldlab.gap AS g SET recovered = c.recovered, closed_at = now()
    FROM unnest(streams, starts, untils, causes, counts) AS c (stream_id, start, until, cause, recovered)
    WHERE g.stream_id = c.stream_id AND g.start = c.start AND g.until = c.until AND g.cause = c.cause
      AND g.recovered IS NULL
$$;
COMMENT ON FUNCTION fieldlab.close_gaps IS
    'Closes gaps that were told before, each with the number of samples that were fetched for it.';
REVOKE ALL ON FUNCTION fieldlab.close_gaps FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fieldlab.close_gaps TO fieldlab_gateway;
"""

GAPS = """
CREATE OR REPLACE FUNCTION visible.gaps(of_streams integer[], since timestamptz, before timestamptz)
RETURNS TABLE (tenure bigint, stream integer, start timestamptz, until timestamptz, cause text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT e.tenure_id, g.stream_id, greatest(g.start, e.start, since), least(g.until, e.until, before), g.cause
    FROM fieldlab.entitlement AS e
    JOIN fieldlab.gap AS g ON g.stream_id = e.stream_id AND g.start < e.until AND g.until > e.start
    WHERE e.reader_id = reader AND e.stream_id = ANY (of_streams) AND e.start < before AND e.until > since
      AND g.start < before AND g.until > since{which}
    ORDER BY 2, 3;
END $$;
COMMENT ON FUNCTION visible.gaps IS '{promise}';
"""

OPEN = GAPS.format(
    which=" AND g.recovered IS NULL",
    promise="The known holes that are still open, within the readable stretches of streams in [since, before).",
)
EVERY = GAPS.format(which="", promise="The known holes within the readable stretches of streams in [since, before).")

DROP = """
DROP FUNCTION fieldlab.close_gaps;
COMMENT ON TABLE fieldlab.gap IS 'A known hole in a stream, with its cause.';
ALTER TABLE fieldlab.gap DROP CONSTRAINT gap_closed_with_a_number, DROP recovered, DROP closed_at;
"""


def upgrade() -> None:
    op.execute(CREATE)
    op.execute(OPEN)


def downgrade() -> None:
    op.execute(EVERY)
    op.execute(DROP)
