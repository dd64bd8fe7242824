"""An answer that is given again says where what was made is, as it did at first."""

from typing import Final

from alembic import op

revision = "0049"
down_revision = "0048"

_FUNCTIONS: Final = """
DROP FUNCTION visible.begin_request, visible.end_request;
CREATE FUNCTION visible.begin_request(named text, asked bytea)
RETURNS TABLE (verdict text, status integer, media_type text, body bytea{returned})
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me integer := fieldlab.bound_participant();
    kept fieldlab.request;
BEGIN
    IF fieldlab.bound_streams() IS NOT NULL THEN
        asked := sha256(asked || convert_to((fieldlab.bound()).id::text, 'UTF8'));
    END IF;
    IF me IS NULL THEN
        RAISE EXCEPTION 'nobody is bound' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM fieldlab.request AS r
    WHERE r.participant_id = me AND (r.at < clock_timestamp() - interval '1 day'
          OR (r.key = named AND r.status IS NULL AND r.at < clock_timestamp() - interval '1 minute'));
    INSERT INTO fieldlab.request (participant_id, key, digest) VALUES (me, named, asked) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN QUERY SELECT 'new', NULL::integer, NULL::text, NULL::bytea{nothing};
        RETURN;
    END IF;
    SELECT * INTO kept FROM fieldlab.request AS r WHERE r.participant_id = me AND r.key = named;
    RETURN QUERY SELECT CASE WHEN kept.digest IS DISTINCT FROM asked THEN 'other'
                             WHEN kept.status IS NULL THEN 'running' ELSE 'answered' END,
                        kept.status, kept.media_type, kept.body{kept};
END $$;
COMMENT ON FUNCTION visible.begin_request IS
    'Begins a request of the bound participant with an idempotency key, or tells what became of the one before: it is
answered, or runs (for a minute at most), or was another one. What was answered is kept for a day.';

CREATE FUNCTION visible.end_request(named text, answered integer, media text, content bytea{given}) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE fieldlab.request AS r SET status = answered, media_type = media, body = content{set}
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

_LOCATED: Final = {
    "returned": ", location text",
    "nothing": ", NULL::text",
    "kept": ", kept.location",
    "given": ", place text DEFAULT NULL",
    "set": ", location = place",
}


def upgrade() -> None:
    op.execute("ALTER TABLE fieldlab.request ADD location text")
    op.execute(_made(_LOCATED))


def downgrade() -> None:
    op.execute(_made(dict.fromkeys(_LOCATED, "")))
    op.execute("ALTER TABLE fieldlab.request DROP location")


def _made(parts: dict[str, str]) -> str:
    made = _FUNCTIONS
    for name, text in parts.items():
        made = made.replace("{" + name + "}", text)
    return made
