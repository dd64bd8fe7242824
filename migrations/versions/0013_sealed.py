"""Sealing tells the newest checkpoint, which the query service puts into its answers."""

from alembic import op

revision = "0013"
down_revision = "0012"

CREATE = """
CREATE FUNCTION visible.seal() RETURNS TABLE (grown bigint, size bigint, root text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added bigint := visible.seal_ledger();
BEGIN
    RETURN QUERY
    SELECT added, coalesce(c.size, 0), encode(coalesce(c.root, sha256('')), 'hex')
    FROM (VALUES (1)) AS always LEFT JOIN LATERAL (
        SELECT * FROM fieldlab.ledger_checkpoint AS k ORDER BY k.size DESC LIMIT 1) AS c ON true;
END $$;
COMMENT ON FUNCTION visible.seal IS 'Seals what waits, and gives the number of new leaves and the newest checkpoint.';
REVOKE ALL ON FUNCTION visible.seal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.seal TO fieldlab_api;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute("DROP FUNCTION visible.seal")
