"""The newest values of one's own streams in one statement: decided, noted and read in one trip to the database.

A reader to whom nothing of what it asks for is open under an agreement is decided on by its tenures alone: nobody has
to choose a basis between the decision and the read. Who is bound is told without a subtransaction, and by functions
whose plans are kept.
"""

from alembic import op

revision = "0040"
down_revision = "0039"

LATEST = """
CREATE OR REPLACE FUNCTION fieldlab.latest_of(reader integer, of_streams integer[])
RETURNS TABLE (stream integer, tenure bigint, owner text, trial text, basis text, "time" timestamptz,
               value double precision, text text, status smallint, origin smallint, agreement uuid)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT l.stream_id, l.tenure_id, o.slug, r.slug, l.basis, l.time, l.value, l.text, l.status, l.origin, NULL::uuid
    FROM unnest(of_streams) AS wanted CROSS JOIN LATERAL (
        SELECT e.stream_id, e.tenure_id, e.owner_id, e.trial_id, e.basis, m.time, m.value, m.text, m.status, m.origin
        FROM fieldlab.entitlement AS e CROSS JOIN LATERAL (
            SELECT * FROM fieldlab.measurement AS n
            WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
            ORDER BY n.time DESC LIMIT 1) AS m
        WHERE e.reader_id = reader AND e.stream_id = wanted
        ORDER BY e.start DESC LIMIT 1) AS l
    JOIN fieldlab.participant AS o ON o.id = l.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id;
END $$;
COMMENT ON FUNCTION fieldlab.latest_of IS
    'The newest sample of each stream that is the reader''s own; whoever calls it has noted it, or does.';
REVOKE ALL ON FUNCTION fieldlab.latest_of FROM PUBLIC;
"""

OWN = """
CREATE FUNCTION visible.own_latest(presented bytea, ids uuid[], assets text[], names text[], entry uuid, asked jsonb,
                                   stated text)
RETURNS TABLE (decided_at timestamptz, streams text, keys integer[], tenures bigint[], owners text[], trials text[],
               times timestamptz[], readings double precision[], texts text[], statuses smallint[], origins smallint[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    held record;
    reader integer;
BEGIN
    SELECT * INTO held FROM visible.decision(presented, ids, assets, names, NULL, '-infinity', 'infinity', NULL);
    reader := fieldlab.bound_with('data:read');
    IF reader IS NULL OR cardinality(array_remove(held.right_agreements, NULL)) > 0
       OR json_array_length(held.streams::json) <> cardinality(ids) + cardinality(assets) THEN
        RETURN;
    END IF;
    decided_at := held.decided_at;
    streams := held.streams;
    SELECT array_agg(l.stream), array_agg(l.tenure), array_agg(l.owner), array_agg(l.trial), array_agg(l.time),
           array_agg(l.value), array_agg(l.text), array_agg(l.status), array_agg(l.origin)
    INTO keys, tenures, owners, trials, times, readings, texts, statuses, origins
    FROM fieldlab.latest_of(reader, ARRAY(SELECT DISTINCT r FROM unnest(held.right_streams) AS r)) AS l;
    PERFORM visible.note_access(
        entry, 'latest',
        asked || jsonb_build_object('streams', (SELECT jsonb_agg((s ->> 2) || '.' || (s ->> 3))
                                                FROM json_array_elements(held.streams::json) AS s)),
        stated, coalesce(held.right_streams, '{}'), coalesce(held.right_tenures, '{}'),
        coalesce(held.right_starts, '{}'), coalesce(held.right_untils, '{}'), NULL,
        ARRAY(SELECT coalesce(t = ANY (tenures), false)::integer::bigint FROM unnest(held.right_tenures) AS t));
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION visible.own_latest IS
    'The newest sample of each of these streams (by ids, by pairs of asset and name), where all of them are there for
the reader and nothing of them is open to it under an agreement: binds, decides as visible.decision does, notes the
access with the rows that it gives, and reads, at one moment in a transaction that sees one. In any other case no row,
and nothing is noted: ask visible.decision, which tells why.';
REVOKE ALL ON FUNCTION visible.own_latest FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.own_latest TO fieldlab_api;
"""

BOUND = """
CREATE OR REPLACE FUNCTION fieldlab.binding_mark(credential_id uuid) RETURNS bytea
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT sha256(value || sha256(value || convert_to(
                credential_id::text || pg_backend_pid() || extract(epoch FROM transaction_timestamp()), 'UTF8')))
            FROM fieldlab.secret WHERE name = 'binding');
END $$;

CREATE OR REPLACE FUNCTION fieldlab.bound_with(permission text) RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who fieldlab.credential := fieldlab.bound();
BEGIN
    RETURN CASE WHEN permission = ANY (who.permissions) THEN who.participant_id END;
END $$;

CREATE OR REPLACE FUNCTION fieldlab.bound() RETURNS fieldlab.credential
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    binding text := current_setting('fieldlab.binding', true);
    found fieldlab.credential;
BEGIN
    IF binding IS NULL OR binding !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} [0-9a-f]{64}$' THEN
        RETURN NULL;
    END IF;
    IF fieldlab.binding_mark(left(binding, 36)::uuid) <> decode(right(binding, 64), 'hex') THEN
        RETURN NULL;
    END IF;
    SELECT * INTO found FROM fieldlab.credential
    WHERE id = left(binding, 36)::uuid AND revoked_at IS NULL AND expires_at > clock_timestamp();
    RETURN found;
END $$;
"""

BOUND_BEFORE = """
CREATE OR REPLACE FUNCTION fieldlab.binding_mark(credential_id uuid) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(value || sha256(value || convert_to(
        credential_id::text || pg_backend_pid() || extract(epoch FROM transaction_timestamp()), 'UTF8')))
    FROM fieldlab.secret WHERE name = 'binding'
$$;

CREATE OR REPLACE FUNCTION fieldlab.bound_with(permission text) RETURNS integer
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT b.participant_id FROM fieldlab.bound() AS b WHERE permission = ANY (b.permissions)
$$;

CREATE OR REPLACE FUNCTION fieldlab.bound() RETURNS fieldlab.credential
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
"""


def upgrade() -> None:
    for part in (BOUND, LATEST, OWN):
        op.execute(part)


def downgrade() -> None:
    op.execute("DROP FUNCTION visible.own_latest, fieldlab.latest_of")
    op.execute(BOUND_BEFORE)
