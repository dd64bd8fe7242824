"""A machine can be a recording that is played again: what it says belongs to whoever owned what was recorded."""

from alembic import op

revision = "0014"
down_revision = "0013"

CREATE = """
ALTER TABLE fieldlab.asset DROP CONSTRAINT asset_nature_check,
    ADD CONSTRAINT asset_nature_check CHECK (nature IN ('real', 'simulated', 'replay'));

CREATE FUNCTION fieldlab.replay_stays_home() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id
               WHERE s.id = NEW.stream_id AND a.nature = 'replay' AND a.home_owner_id <> NEW.owner_id) THEN
        RAISE EXCEPTION 'what a recording plays stays its owner''s'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'tenure_of_a_replay';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION fieldlab.replay_stays_home IS 'Refuses a tenure of a recording to anybody but its home owner.';
REVOKE ALL ON FUNCTION fieldlab.replay_stays_home FROM PUBLIC;
CREATE TRIGGER replay_stays_home BEFORE INSERT OR UPDATE ON fieldlab.tenure
    FOR EACH ROW EXECUTE FUNCTION fieldlab.replay_stays_home();

CREATE FUNCTION fieldlab.replay_is_at_home() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.nature = 'replay' AND EXISTS (
        SELECT FROM fieldlab.stream AS s JOIN fieldlab.tenure AS t ON t.stream_id = s.id
        WHERE s.asset_id = NEW.id AND t.owner_id <> NEW.home_owner_id) THEN
        RAISE EXCEPTION 'a recording is nobody''s but its home owner''s, and this asset was handed over'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'tenure_of_a_replay';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION fieldlab.replay_is_at_home IS 'Refuses to make a recording of a machine that others have owned.';
REVOKE ALL ON FUNCTION fieldlab.replay_is_at_home FROM PUBLIC;
CREATE TRIGGER replay_is_at_home BEFORE UPDATE OF nature, home_owner_id ON fieldlab.asset
    FOR EACH ROW EXECUTE FUNCTION fieldlab.replay_is_at_home();
"""

DROP = """
DROP TRIGGER replay_is_at_home ON fieldlab.asset;
DROP TRIGGER replay_stays_home ON fieldlab.tenure;
DROP FUNCTION fieldlab.replay_is_at_home, fieldlab.replay_stays_home;
UPDATE fieldlab.asset SET nature = 'simulated' WHERE nature = 'replay';
ALTER TABLE fieldlab.asset DROP CONSTRAINT asset_nature_check,
    ADD CONSTRAINT asset_nature_check CHECK (nature IN ('real', 'simulated'));
"""


def upgrade() -> None:
    """Let an asset be a recording, which cannot be handed over."""
    op.execute(CREATE)


def downgrade() -> None:
    """Call recordings simulated again."""
    op.execute(DROP)
