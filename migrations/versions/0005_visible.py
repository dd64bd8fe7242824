"""What the query service may read and do: barrier views and functions that show the bound participant its part only."""

from alembic import op

revision = "0005"
down_revision = "0004"

CREATE = """
CREATE SCHEMA visible;
COMMENT ON SCHEMA visible IS 'All that the query service may touch; without a bound transaction it is empty.';

CREATE VIEW fieldlab.entitlement AS
SELECT t.owner_id AS reader_id, t.stream_id, t.start, t.until, t.id AS tenure_id, t.owner_id, t.trial_id, 'own' AS basis
FROM fieldlab.tenure AS t;
COMMENT ON VIEW fieldlab.entitlement IS
    'Who may read which stretch of which stream, and on what basis: the one place where rights to data are decided.';

CREATE FUNCTION visible.bind(presented bytea)
RETURNS TABLE (participant text, principal text, permissions text[], key uuid, expires_at timestamptz,
               decided_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, fieldlab AS $$
DECLARE
    found fieldlab.credential;
BEGIN
    SELECT * INTO found FROM fieldlab.credential AS c
    WHERE c.digest = sha256(presented) AND c.revoked_at IS NULL AND c.expires_at > clock_timestamp();
    IF found.id IS NULL THEN
        PERFORM set_config('fieldlab.binding', '', true);
        RETURN;
    END IF;
    PERFORM set_config('fieldlab.binding',
                       found.id::text || ' ' || encode(fieldlab.binding_mark(found.id), 'hex'), true);
    RETURN QUERY SELECT p.slug, found.principal, found.permissions, found.id, found.expires_at,
                        transaction_timestamp()
                 FROM fieldlab.participant AS p WHERE p.id = found.participant_id;
END $$;
COMMENT ON FUNCTION visible.bind IS
    'Binds this transaction to the participant whose credential is presented; no row, and no right, if it is void.';

CREATE FUNCTION visible.note_use(presented bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, fieldlab AS $$
    UPDATE fieldlab.credential SET used_at = now()
    WHERE digest = sha256(presented) AND (used_at IS NULL OR used_at < now() - interval '1 minute')
$$;
COMMENT ON FUNCTION visible.note_use IS 'Records, to the minute, that a credential was used.';

CREATE FUNCTION visible.cursor_key() RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, fieldlab AS $$
    SELECT value FROM fieldlab.secret WHERE name = 'cursor'
$$;
COMMENT ON FUNCTION visible.cursor_key IS 'The key that marks page cursors, so that an edited one is known.';

CREATE VIEW visible.participant WITH (security_barrier) AS
SELECT slug, name, role FROM fieldlab.participant
WHERE (SELECT fieldlab.bound_participant()) IS NOT NULL;

CREATE VIEW visible.stream WITH (security_barrier) AS
SELECT s.id AS key, s.uid AS id, a.slug AS asset, s.name, s.kind, s.unit, s.quantity, s.semantic_id, s.description,
       a.nature
FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id
WHERE (SELECT fieldlab.bound_with('lab:admin')) IS NOT NULL
   OR a.home_owner_id = (SELECT fieldlab.bound_participant())
   OR EXISTS (SELECT FROM fieldlab.entitlement AS e
              WHERE e.stream_id = s.id AND e.reader_id = (SELECT fieldlab.bound_participant()));

CREATE VIEW visible.asset WITH (security_barrier) AS
SELECT a.slug, a.name, h.slug AS home_owner, a.nature, a.description
FROM fieldlab.asset AS a JOIN fieldlab.participant AS h ON h.id = a.home_owner_id
WHERE (SELECT fieldlab.bound_with('lab:admin')) IS NOT NULL
   OR a.home_owner_id = (SELECT fieldlab.bound_participant())
   OR EXISTS (SELECT FROM fieldlab.stream AS s JOIN fieldlab.entitlement AS e ON e.stream_id = s.id
              WHERE s.asset_id = a.id AND e.reader_id = (SELECT fieldlab.bound_participant()));

CREATE VIEW visible.tenure WITH (security_barrier) AS
SELECT t.id, t.stream_id AS stream, a.slug AS asset, s.name AS stream_name, o.slug AS owner, r.slug AS trial, t.start,
       t.until, t.booked
FROM fieldlab.tenure AS t
JOIN fieldlab.stream AS s ON s.id = t.stream_id
JOIN fieldlab.asset AS a ON a.id = s.asset_id
JOIN fieldlab.participant AS o ON o.id = t.owner_id
LEFT JOIN fieldlab.trial AS r ON r.id = t.trial_id
WHERE t.owner_id = (SELECT fieldlab.bound_participant())
   OR (SELECT fieldlab.bound_with('lab:admin')) IS NOT NULL;

CREATE VIEW visible.entitlement WITH (security_barrier) AS
SELECT e.stream_id AS stream, e.start, e.until, e.tenure_id AS tenure, o.slug AS owner, r.slug AS trial, e.basis
FROM fieldlab.entitlement AS e
JOIN fieldlab.participant AS o ON o.id = e.owner_id
LEFT JOIN fieldlab.trial AS r ON r.id = e.trial_id
WHERE e.reader_id = (SELECT fieldlab.bound_with('data:read'));

CREATE VIEW visible.measurement WITH (security_barrier) AS
SELECT e.tenure_id AS tenure, m.stream_id AS stream, m.time, m.value, m.text, m.status, m.origin
FROM fieldlab.entitlement AS e
JOIN fieldlab.measurement AS m ON m.stream_id = e.stream_id AND m.time >= e.start AND m.time < e.until
WHERE e.reader_id = (SELECT fieldlab.bound_with('data:read'));

CREATE VIEW visible.gap WITH (security_barrier) AS
SELECT e.tenure_id AS tenure, g.stream_id AS stream, greatest(g.start, e.start) AS start,
       least(g.until, e.until) AS until, g.cause
FROM fieldlab.entitlement AS e
JOIN fieldlab.gap AS g ON g.stream_id = e.stream_id AND g.start < e.until AND g.until > e.start
WHERE e.reader_id = (SELECT fieldlab.bound_with('data:read'));

CREATE FUNCTION visible.samples(of_stream integer, since timestamptz, before timestamptz, at_most integer)
RETURNS TABLE (tenure bigint, "time" timestamptz, value double precision, text text, status smallint, origin smallint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, fieldlab ROWS 10000 AS $$
DECLARE
    right_held record;
    found bigint;
    wanted bigint := at_most;
BEGIN
    FOR right_held IN
        SELECT e.tenure_id, greatest(e.start, since) AS start, least(e.until, before) AS until
        FROM fieldlab.entitlement AS e
        WHERE e.reader_id = fieldlab.bound_with('data:read') AND e.stream_id = of_stream
          AND e.start < before AND e.until > since
        ORDER BY e.start
    LOOP
        RETURN QUERY
        SELECT right_held.tenure_id, m.time, m.value, m.text, m.status, m.origin FROM fieldlab.measurement AS m
        WHERE m.stream_id = of_stream AND m.time >= right_held.start AND m.time < right_held.until
        ORDER BY m.time LIMIT wanted;
        GET DIAGNOSTICS found = ROW_COUNT;
        wanted := wanted - found;
        EXIT WHEN wanted <= 0;
    END LOOP;
END $$;
COMMENT ON FUNCTION visible.samples IS
    'The readable samples of one stream in [since, before), oldest first, at most so many; reads no further than that.';

CREATE FUNCTION visible.latest(of_streams integer[])
RETURNS TABLE (stream integer, tenure bigint, owner text, trial text, basis text, "time" timestamptz,
               value double precision, text text, status smallint, origin smallint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, fieldlab AS $$
    SELECT l.stream_id, l.tenure_id, o.slug, r.slug, l.basis, l.time, l.value, l.text, l.status, l.origin
    FROM unnest(of_streams) AS wanted CROSS JOIN LATERAL (
        SELECT e.stream_id, e.tenure_id, e.owner_id, e.trial_id, e.basis, m.time, m.value, m.text, m.status, m.origin
        FROM fieldlab.entitlement AS e CROSS JOIN LATERAL (
            SELECT * FROM fieldlab.measurement AS n
            WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
            ORDER BY n.time DESC LIMIT 1) AS m
        WHERE e.reader_id = (SELECT fieldlab.bound_with('data:read')) AND e.stream_id = wanted
        ORDER BY m.time DESC LIMIT 1) AS l
    JOIN fieldlab.participant AS o ON o.id = l.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id
$$;
COMMENT ON FUNCTION visible.latest IS 'The newest readable sample of each stream.';

CREATE FUNCTION visible.extent(of_streams integer[])
RETURNS TABLE (stream integer, first timestamptz, last timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, fieldlab AS $$
    SELECT e.stream_id, min(edge.first), max(edge.last)
    FROM fieldlab.entitlement AS e CROSS JOIN LATERAL (
        SELECT (SELECT n.time FROM fieldlab.measurement AS n
                WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
                ORDER BY n.time LIMIT 1) AS first,
               (SELECT n.time FROM fieldlab.measurement AS n
                WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
                ORDER BY n.time DESC LIMIT 1) AS last) AS edge
    WHERE e.reader_id = (SELECT fieldlab.bound_with('data:read')) AND e.stream_id = ANY (of_streams)
    GROUP BY e.stream_id HAVING min(edge.first) IS NOT NULL
$$;
COMMENT ON FUNCTION visible.extent IS 'The times of the oldest and newest readable sample of each stream that has one.';

CREATE FUNCTION visible.amend_tenures(of_asset text, by_kind text, take_out bigint[], put_in jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, fieldlab AS $$
DECLARE
    amended integer := (SELECT id FROM fieldlab.asset WHERE slug = of_asset);
    before jsonb;
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NULL THEN
        RAISE EXCEPTION 'only lab:admin amends tenures' USING ERRCODE = 'insufficient_privilege';
    END IF;
    WITH gone AS (
        DELETE FROM fieldlab.tenure AS t USING fieldlab.stream AS s
        WHERE t.id = ANY (take_out) AND s.id = t.stream_id AND s.asset_id = amended
        RETURNING t.stream_id, t.owner_id, t.trial_id, t.start, t.until, t.booked)
    SELECT coalesce(jsonb_agg(to_jsonb(gone)), '[]') INTO before FROM gone;
    IF jsonb_array_length(before) <> cardinality(take_out) THEN
        RAISE EXCEPTION 'the tenures have changed since they were read' USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO fieldlab.trial (slug, participant_id)
    SELECT DISTINCT row.trial, p.id
    FROM jsonb_to_recordset(put_in) AS row (owner text, trial text) JOIN fieldlab.participant AS p ON p.slug = row.owner
    WHERE row.trial IS NOT NULL
    ON CONFLICT (slug) DO NOTHING;
    INSERT INTO fieldlab.tenure (stream_id, owner_id, trial_id, start, until, booked)
    SELECT s.id, p.id, r.id, row.start, row.until, row.booked
    FROM jsonb_to_recordset(put_in)
        AS row (stream integer, owner text, trial text, start timestamptz, until timestamptz, booked boolean)
    JOIN fieldlab.stream AS s ON s.id = row.stream AND s.asset_id = amended
    JOIN fieldlab.participant AS p ON p.slug = row.owner
    LEFT JOIN fieldlab.trial AS r ON r.slug = row.trial AND r.participant_id = p.id;
    IF EXISTS (SELECT FROM jsonb_to_recordset(put_in) AS row (owner text, trial text)
               JOIN fieldlab.participant AS p ON p.slug = row.owner
               JOIN fieldlab.trial AS r ON r.slug = row.trial AND r.participant_id <> p.id) THEN
        RAISE EXCEPTION 'that trial belongs to another participant' USING ERRCODE = 'unique_violation';
    END IF;
    INSERT INTO fieldlab.tenure_event (asset_id, principal, kind, removed, added)
    SELECT amended, (fieldlab.bound()).principal, by_kind, before, put_in;
END $$;
COMMENT ON FUNCTION visible.amend_tenures IS
    'Replaces tenures of one asset and appends the event; the constraints refuse a hole or an overlap at commit.';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA visible FROM PUBLIC;
GRANT USAGE ON SCHEMA visible TO fieldlab_api;
GRANT SELECT ON ALL TABLES IN SCHEMA visible TO fieldlab_api;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA visible TO fieldlab_api;
GRANT EXECUTE ON FUNCTION fieldlab.bound_participant, fieldlab.bound_with TO fieldlab_api;

GRANT USAGE ON SCHEMA fieldlab TO fieldlab_gateway, fieldlab_maintainer;
GRANT SELECT ON fieldlab.source, fieldlab.binding, fieldlab.platform TO fieldlab_gateway;
GRANT SELECT (id, asset_id, kind) ON fieldlab.stream TO fieldlab_gateway;
GRANT SELECT (id, slug, nature) ON fieldlab.asset TO fieldlab_gateway;
GRANT INSERT ON fieldlab.measurement, fieldlab.reject, fieldlab.gap TO fieldlab_gateway;
GRANT EXECUTE ON FUNCTION fieldlab.conflicting_rows TO fieldlab_gateway;
GRANT SELECT (stream_id, time), DELETE ON fieldlab.measurement TO fieldlab_maintainer;
GRANT SELECT ON fieldlab.platform TO fieldlab_maintainer;
"""

DROP = """
REVOKE ALL ON FUNCTION fieldlab.bound_participant, fieldlab.bound_with FROM fieldlab_api;
REVOKE ALL ON ALL TABLES IN SCHEMA fieldlab FROM fieldlab_gateway, fieldlab_maintainer;
REVOKE SELECT (id, asset_id, kind) ON fieldlab.stream FROM fieldlab_gateway;
REVOKE SELECT (id, slug, nature) ON fieldlab.asset FROM fieldlab_gateway;
REVOKE SELECT (stream_id, time) ON fieldlab.measurement FROM fieldlab_maintainer;
REVOKE ALL ON SCHEMA fieldlab FROM fieldlab_gateway, fieldlab_maintainer;
REVOKE ALL ON FUNCTION fieldlab.conflicting_rows FROM fieldlab_gateway;
DROP SCHEMA visible CASCADE;
DROP VIEW fieldlab.entitlement;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)
