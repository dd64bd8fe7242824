"""Changes of rights are announced, so that answers under way that rest on them end at once.

An announcement says nothing but that something changed: whoever may connect may listen. Nothing depends on it.
"""

from alembic import op

revision = "0039"
down_revision = "0038"

ANNOUNCE = """
CREATE FUNCTION fieldlab.announce_rights() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('fieldlab_rights', '');
    RETURN NULL;
END $$;
COMMENT ON FUNCTION fieldlab.announce_rights IS
    'Announces that somebody may see less than before, and nothing about whom or what.';
REVOKE ALL ON FUNCTION fieldlab.announce_rights FROM PUBLIC;

CREATE TRIGGER announce_rights AFTER UPDATE OF state ON fieldlab.agreement
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION fieldlab.announce_rights();
CREATE TRIGGER announce_rights AFTER UPDATE OF revoked_at, expires_at, permissions OR DELETE ON fieldlab.credential
    FOR EACH ROW EXECUTE FUNCTION fieldlab.announce_rights();
CREATE TRIGGER announce_rights AFTER UPDATE OR DELETE ON fieldlab.tenure
    FOR EACH ROW EXECUTE FUNCTION fieldlab.announce_rights();
"""

DROP = """
DROP TRIGGER announce_rights ON fieldlab.tenure;
DROP TRIGGER announce_rights ON fieldlab.credential;
DROP TRIGGER announce_rights ON fieldlab.agreement;
DROP FUNCTION fieldlab.announce_rights;
"""


def upgrade() -> None:
    op.execute(ANNOUNCE)


def downgrade() -> None:
    op.execute(DROP)
