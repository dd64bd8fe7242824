"""Callers whom an OpenID Connect issuer knows: admitted by a query service that holds the key for it.

The database cannot check an issuer's signature. It takes the word of a process that holds the admission key, which is
given to the process and not to its database role: SQL alone admits nobody.
"""

from alembic import op

revision = "0026"
down_revision = "0025"

CREATE = """
CREATE FUNCTION visible.admit(presented bytea, of_participant text, as_principal text, may text[],
                              until timestamptz, mark bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    key bytea := (SELECT s.value FROM fieldlab.secret AS s WHERE s.name = 'admission');
    said bytea := convert_to(jsonb_build_array(encode(presented, 'hex'), of_participant, as_principal, may,
                                               extract(epoch FROM until)::bigint)::text, 'UTF8');
BEGIN
    IF key IS NULL OR mark IS DISTINCT FROM sha256(key || sha256(key || said)) THEN
        RAISE EXCEPTION 'that is not marked with the admission key' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM fieldlab.credential AS c
    WHERE c.admitted AND c.expires_at < now() - interval '7 days';
    INSERT INTO fieldlab.credential (participant_id, principal, digest, permissions, expires_at, admitted)
    SELECT p.id, as_principal, sha256(presented), may, least(until, now() + interval '1 day'), true
    FROM fieldlab.participant AS p WHERE p.slug = of_participant
    ON CONFLICT (digest) DO NOTHING;
    RETURN EXISTS (SELECT FROM fieldlab.credential AS c WHERE c.digest = sha256(presented));
END $$;
ALTER TABLE fieldlab.credential ADD admitted boolean NOT NULL DEFAULT false;
COMMENT ON FUNCTION visible.admit IS
    'Makes an issuer''s token a credential until it expires, for a day at most, on the word of a process that holds the
admission key; false for an unknown participant.';
REVOKE ALL ON FUNCTION visible.admit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.admit TO fieldlab_api;
"""

DROP = """
DROP FUNCTION visible.admit;
DELETE FROM fieldlab.credential WHERE admitted;
ALTER TABLE fieldlab.credential DROP admitted;
DELETE FROM fieldlab.secret WHERE name = 'admission';
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)
