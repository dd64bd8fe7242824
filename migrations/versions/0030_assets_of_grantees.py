"""Machines of which an agreement opens something stand in the catalogue of whoever it opens it to, as they did."""

from alembic import op

revision = "0030"
down_revision = "0029"

SEEN = """
CREATE OR REPLACE FUNCTION fieldlab.seen_assets()
RETURNS TABLE (slug text, name text, home_owner text, nature text, description text, place text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_participant();
    administers boolean := fieldlab.bound_with('lab:admin') IS NOT NULL;
BEGIN
    RETURN QUERY
    SELECT a.slug, a.name, h.slug, a.nature, a.description, a.place
    FROM fieldlab.asset AS a JOIN fieldlab.participant AS h ON h.id = a.home_owner_id
    WHERE administers OR a.home_owner_id = reader OR a.id IN (
        SELECT s.asset_id FROM fieldlab.stream AS s JOIN fieldlab.permitted AS e ON e.stream_id = s.id
        WHERE e.reader_id = reader AND e.basis <> 'preview');
END $$;
"""

SEEN_EARLIER = SEEN.replace("fieldlab.permitted", "fieldlab.entitlement").replace(" AND e.basis <> 'preview'", "")


def upgrade() -> None:
    op.execute(SEEN)


def downgrade() -> None:
    op.execute(SEEN_EARLIER)
