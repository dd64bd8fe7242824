"""Keys that participants make for themselves: each is no more than the key that made it, and ends with it."""

from alembic import op

revision = "0027"
down_revision = "0026"

LINEAGE = """
ALTER TABLE fieldlab.credential ADD issued_by uuid REFERENCES fieldlab.credential ON DELETE SET NULL;
CREATE INDEX ON fieldlab.credential (issued_by);

CREATE FUNCTION fieldlab.revoke_issued() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH RECURSIVE issued AS (
        SELECT c.id FROM fieldlab.credential AS c WHERE c.issued_by = NEW.id
        UNION
        SELECT c.id FROM issued AS i JOIN fieldlab.credential AS c ON c.issued_by = i.id)
    UPDATE fieldlab.credential AS c SET revoked_at = NEW.revoked_at
    FROM issued AS i WHERE c.id = i.id AND c.revoked_at IS NULL;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION fieldlab.revoke_issued IS
    'Revokes with a credential all that were made with it, and with those: whoever stole a key keeps none.';
CREATE TRIGGER revoke_issued AFTER UPDATE OF revoked_at ON fieldlab.credential FOR EACH ROW
WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL AND pg_trigger_depth() = 0)
EXECUTE FUNCTION fieldlab.revoke_issued();
"""

KEYS = """
CREATE FUNCTION fieldlab.seen_keys()
RETURNS TABLE (id uuid, participant text, principal text, permissions text[], created_at timestamptz,
               expires_at timestamptz, revoked_at timestamptz, used_at timestamptz, issued_by uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.id, p.slug, c.principal, c.permissions, c.created_at, c.expires_at, c.revoked_at, c.used_at, c.issued_by
    FROM fieldlab.credential AS c JOIN fieldlab.participant AS p ON p.id = c.participant_id
    WHERE c.participant_id = (SELECT fieldlab.bound_participant())
$$;
COMMENT ON FUNCTION fieldlab.seen_keys IS 'The credentials of the bound participant, without their digests.';
CREATE VIEW visible.key WITH (security_barrier) AS SELECT * FROM fieldlab.seen_keys();
COMMENT ON VIEW visible.key IS 'The keys of the reader''s own participant; no token, and nothing made of one.';

CREATE FUNCTION visible.issue_key(presented bytea, made bytea, as_principal text, may text[], until timestamptz)
RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me fieldlab.credential;
    key uuid;
BEGIN
    SELECT c.* INTO me FROM fieldlab.credential AS c
    WHERE c.id = (SELECT b.id FROM fieldlab.bound() AS b) AND c.digest = sha256(presented) FOR SHARE;
    IF me.id IS NULL THEN
        RAISE EXCEPTION 'only a key makes keys' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF cardinality(may) = 0 OR NOT may <@ me.permissions THEN
        RAISE EXCEPTION 'a key allows no more than the one that makes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF until <= now() OR until > me.expires_at THEN
        RAISE EXCEPTION 'a key ends with the one that makes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (SELECT count(*) FROM fieldlab.credential AS c WHERE c.participant_id = me.participant_id
        AND NOT c.admitted AND c.revoked_at IS NULL AND c.expires_at > now()) >= 1000 THEN
        RAISE EXCEPTION 'too many keys are valid' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO fieldlab.credential (participant_id, principal, digest, permissions, expires_at, issued_by)
    VALUES (me.participant_id, as_principal, sha256(made), may, until, me.id) RETURNING id INTO STRICT key;
    RETURN key;
END $$;
COMMENT ON FUNCTION visible.issue_key IS
    'Makes a key of the bound participant, given the SHA-256 of its token. Whoever asks presents the key that is bound,
so that the ticket of an export makes none; scopes and end are within those of that key.';

CREATE FUNCTION visible.revoke_key(presented bytea, of uuid) RETURNS timestamptz
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me fieldlab.credential;
    found fieldlab.credential;
BEGIN
    SELECT * INTO me FROM fieldlab.bound();
    IF me.id IS NULL OR me.digest IS DISTINCT FROM sha256(presented) THEN
        RAISE EXCEPTION 'only a key revokes keys' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT * INTO found FROM fieldlab.credential AS c WHERE c.id = of AND c.participant_id = me.participant_id;
    IF found.id IS NULL OR found.revoked_at IS NOT NULL THEN
        RETURN found.revoked_at;
    END IF;
    IF NOT found.permissions <@ me.permissions THEN
        RAISE EXCEPTION 'a key revokes none that allows more than it does' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE fieldlab.credential AS c SET revoked_at = now() WHERE c.id = found.id;
    RETURN now();
END $$;
COMMENT ON FUNCTION visible.revoke_key IS
    'Revokes a key of the bound participant, with all that were made with it, and gives since when it is void; NULL
where there is none of the participant''s.';

REVOKE ALL ON FUNCTION fieldlab.revoke_issued, fieldlab.seen_keys, visible.issue_key, visible.revoke_key FROM PUBLIC;
GRANT SELECT ON visible.key TO fieldlab_api;
GRANT EXECUTE ON FUNCTION fieldlab.seen_keys, visible.issue_key, visible.revoke_key TO fieldlab_api;
"""

DROP = """
DROP FUNCTION visible.revoke_key, visible.issue_key;
DROP VIEW visible.key;
DROP FUNCTION fieldlab.seen_keys;
DROP TRIGGER revoke_issued ON fieldlab.credential;
DROP FUNCTION fieldlab.revoke_issued;
ALTER TABLE fieldlab.credential DROP issued_by;
"""


def upgrade() -> None:
    op.execute(LINEAGE)
    op.execute(KEYS)


def downgrade() -> None:
    op.execute(DROP)
