"""Who asks: credentials, and the binding of a transaction to a participant, which only a credential can make."""

from alembic import op

revision = "0004"
down_revision = "0003"

CREATE = """
CREATE TABLE fieldlab.secret (name text PRIMARY KEY, value bytea NOT NULL);
COMMENT ON TABLE fieldlab.secret IS 'Random keys that never leave the database or its own functions.';
INSERT INTO fieldlab.secret (name, value)
SELECT name, sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))
FROM unnest(ARRAY['binding', 'cursor']) AS name;

CREATE TABLE fieldlab.credential (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    participant_id integer NOT NULL REFERENCES fieldlab.participant,
    principal text NOT NULL,
    digest bytea NOT NULL UNIQUE,
    permissions text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    used_at timestamptz
);
COMMENT ON TABLE fieldlab.credential IS
    'What a principal presents; digest is the SHA-256 of the SHA-256 of its token, so reading it lets nobody in.';
CREATE INDEX ON fieldlab.credential (participant_id);
ALTER TABLE fieldlab.secret ALTER COLUMN value SET STATISTICS 0;
ALTER TABLE fieldlab.credential ALTER COLUMN digest SET STATISTICS 0, ALTER COLUMN principal SET STATISTICS 0;

CREATE FUNCTION fieldlab.binding_mark(credential_id uuid) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(value || sha256(value || convert_to(
        credential_id::text || pg_backend_pid() || extract(epoch FROM transaction_timestamp()), 'UTF8')))
    FROM fieldlab.secret WHERE name = 'binding'
$$;
COMMENT ON FUNCTION fieldlab.binding_mark IS
    'Marks a binding of this very transaction; without the secret nobody can make one, in another it is void.';

CREATE FUNCTION fieldlab.bound() RETURNS fieldlab.credential
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    binding text := current_setting('fieldlab.binding', true);
    found fieldlab.credential;
BEGIN
    IF binding IS NULL OR binding !~ '^[0-9a-f-]{36} [0-9a-f]{64}$' THEN
        RETURN NULL;
    END IF;
    IF fieldlab.binding_mark(left(binding, 36)::uuid) <> decode(right(binding, 64), 'hex') THEN
        RETURN NULL;
    END IF;
    SELECT * INTO found FROM fieldlab.credential
    WHERE id = left(binding, 36)::uuid AND revoked_at IS NULL AND expires_at > clock_timestamp();
    RETURN found;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN NULL;
END $$;
COMMENT ON FUNCTION fieldlab.bound IS
    'The credential this transaction is bound to, or NULL: unbound, forged, left over, revoked or expired.';

CREATE FUNCTION fieldlab.bound_participant() RETURNS integer
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT (fieldlab.bound()).participant_id
$$;
COMMENT ON FUNCTION fieldlab.bound_participant IS 'The participant this transaction is bound to, or NULL.';

CREATE FUNCTION fieldlab.bound_with(permission text) RETURNS integer
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT b.participant_id FROM fieldlab.bound() AS b WHERE permission = ANY (b.permissions)
$$;
COMMENT ON FUNCTION fieldlab.bound_with IS 'The bound participant if its credential carries the permission, or NULL.';

REVOKE ALL ON FUNCTION fieldlab.binding_mark, fieldlab.bound, fieldlab.bound_participant, fieldlab.bound_with
    FROM PUBLIC;
"""

DROP = """
DROP FUNCTION fieldlab.bound_with, fieldlab.bound_participant, fieldlab.bound, fieldlab.binding_mark;
DROP TABLE fieldlab.credential, fieldlab.secret;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)
