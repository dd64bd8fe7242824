"""Requests with an idempotency key: sent again they are answered again, and done once."""

from alembic import op

revision = "0022"
down_revision = "0021"

CREATE = """
CREATE TABLE fieldlab.request (
    participant_id integer NOT NULL REFERENCES fieldlab.participant,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    digest bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    status integer,
    media_type text,
    body bytea,
    PRIMARY KEY (participant_id, key),
    CONSTRAINT request_answered CHECK ((status IS NULL) = (body IS NULL))
);
COMMENT ON TABLE fieldlab.request IS
    'What was answered to a participant''s request with an idempotency key; digest is the SHA-256 of what was asked.';
CREATE INDEX ON fieldlab.request (at);
ALTER TABLE fieldlab.request ALTER COLUMN body SET STATISTICS 0, ALTER COLUMN key SET STATISTICS 0;

CREATE FUNCTION visible.begin_request(named text, asked bytea)
RETURNS TABLE (verdict text, status integer, media_type text, body bytea)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me integer := fieldlab.bound_participant();
    kept fieldlab.request;
BEGIN
    IF me IS NULL THEN
        RAISE EXCEPTION 'nobody is bound' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM fieldlab.request AS r
    WHERE r.participant_id = me AND (r.at < clock_timestamp() - interval '1 day'
          OR (r.key = named AND r.status IS NULL AND r.at < clock_timestamp() - interval '1 minute'));
    INSERT INTO fieldlab.request (participant_id, key, digest) VALUES (me, named, asked) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN QUERY SELECT 'new', NULL::integer, NULL::text, NULL::bytea;
        RETURN;
    END IF;
    SELECT * INTO kept FROM fieldlab.request AS r WHERE r.participant_id = me AND r.key = named;
    RETURN QUERY SELECT CASE WHEN kept.digest IS DISTINCT FROM asked THEN 'other'
                             WHEN kept.status IS NULL THEN 'running' ELSE 'answered' END,
                        kept.status, kept.media_type, kept.body;
END $$;
COMMENT ON FUNCTION visible.begin_request IS
    'Begins a request of the bound participant with an idempotency key, or tells what became of the one before: it is
answered, or runs (for a minute at most), or was another one. What was answered is kept for a day.';

CREATE FUNCTION visible.end_request(named text, answered integer, media text, content bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE fieldlab.request AS r SET status = answered, media_type = media, body = content
    WHERE answered IS NOT NULL AND r.participant_id = fieldlab.bound_participant() AND r.key = named
      AND r.status IS NULL;
    DELETE FROM fieldlab.request AS r
    WHERE answered IS NULL AND r.participant_id = fieldlab.bound_participant() AND r.key = named AND r.status IS NULL
$$;
COMMENT ON FUNCTION visible.end_request IS
    'Keeps the answer to a request that was begun; without one the request may be made again.';
REVOKE ALL ON FUNCTION visible.begin_request, visible.end_request FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.begin_request, visible.end_request TO fieldlab_api;
"""

DROP = """
DROP FUNCTION visible.end_request, visible.begin_request;
DROP TABLE fieldlab.request;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)
