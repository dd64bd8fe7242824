"""The receipt of a revocation: what had left under an agreement, to whom and when, and which answers it cut."""

from alembic import op

revision = "0020"
down_revision = "0019"

CREATE = """
CREATE FUNCTION visible.receipt(of uuid, at_most integer)
RETURNS TABLE (access uuid, at timestamptz, principal text, kind text, purpose text, outcome text, ended timestamptz,
               reason text, rows bigint, answers bigint, total numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_participant();
BEGIN
    RETURN QUERY
    SELECT a.id, a.at, a.principal, a.kind, a.purpose,
           CASE WHEN NOT a.running THEN 'answered' ELSE coalesce(e.outcome, 'running') END, e.at,
           nullif(e.reason, ''), p.counted, count(*) OVER (), sum(p.counted) OVER ()
    FROM fieldlab.agreement AS g
    JOIN fieldlab.access AS a ON a.agreements @> ARRAY[g.id] AND a.participant_id = g.grantee_id
    LEFT JOIN fieldlab.access_end AS e ON e.access_id = a.id
    CROSS JOIN LATERAL (
        SELECT sum(u.counted)::bigint AS counted
        FROM unnest(a.agreements, coalesce(a.rows, e.rows)) AS u (agreement, counted) WHERE u.agreement = g.id) AS p
    WHERE g.id = of AND g.owner_id = reader
    ORDER BY a.at DESC, a.id LIMIT at_most;
END $$;
COMMENT ON FUNCTION visible.receipt IS
    'The answers that were given under an agreement, for its owner, newest first, with the rows of each that left under
it; answers and total are of all of them.';
REVOKE ALL ON FUNCTION visible.receipt FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.receipt TO fieldlab_api;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute("DROP FUNCTION visible.receipt")
