"""What the query service may read and do: views and functions that show the bound participant its part only.

No view stands on a table: a plan over one would tell how many rows there are that the reader may not see, and what the
planner knows of their values. Behind each view is a function, whose plan nobody sees.
"""

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
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE fieldlab.credential SET used_at = now()
    WHERE digest = sha256(presented) AND (used_at IS NULL OR used_at < now() - interval '1 minute')
$$;
COMMENT ON FUNCTION visible.note_use IS 'Records, to the minute, that a credential was used.';

CREATE FUNCTION visible.cursor_key() RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT value FROM fieldlab.secret WHERE name = 'cursor'
$$;
COMMENT ON FUNCTION visible.cursor_key IS 'The key that marks page cursors, so that an edited one is known.';

CREATE FUNCTION fieldlab.seen_participants() RETURNS TABLE (slug text, name text, role text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF fieldlab.bound_participant() IS NOT NULL THEN
        RETURN QUERY SELECT p.slug, p.name, p.role FROM fieldlab.participant AS p;
    END IF;
END $$;
CREATE VIEW visible.participant WITH (security_barrier) AS SELECT * FROM fieldlab.seen_participants();
COMMENT ON VIEW visible.participant IS 'Who is in the lab.';

CREATE FUNCTION fieldlab.seen_assets()
RETURNS TABLE (slug text, name text, home_owner text, nature text, description text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_participant();
    administers boolean := fieldlab.bound_with('lab:admin') IS NOT NULL;
BEGIN
    RETURN QUERY
    SELECT a.slug, a.name, h.slug, a.nature, a.description
    FROM fieldlab.asset AS a JOIN fieldlab.participant AS h ON h.id = a.home_owner_id
    WHERE administers OR a.home_owner_id = reader OR a.id IN (
        SELECT s.asset_id FROM fieldlab.stream AS s JOIN fieldlab.entitlement AS e ON e.stream_id = s.id
        WHERE e.reader_id = reader);
END $$;
CREATE VIEW visible.asset WITH (security_barrier) AS SELECT * FROM fieldlab.seen_assets();
COMMENT ON VIEW visible.asset IS 'The machines that concern the reader; all of them for whoever administers the lab.';

CREATE FUNCTION fieldlab.seen_streams(wanted uuid[], of_assets text[], of_names text[])
RETURNS TABLE (key integer, id uuid, asset text, name text, kind text, unit text, quantity text, semantic_id text,
               description text, nature text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_participant();
    administers boolean := fieldlab.bound_with('lab:admin') IS NOT NULL;
BEGIN
    RETURN QUERY
    SELECT s.id, s.uid, a.slug, s.name, s.kind, s.unit, s.quantity, s.semantic_id, s.description, a.nature
    FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id
    WHERE (wanted IS NULL OR s.uid = ANY (wanted)
           OR (a.slug, s.name) IN (SELECT * FROM unnest(of_assets, of_names)))
      AND (administers OR a.home_owner_id = reader OR s.id IN (
           SELECT e.stream_id FROM fieldlab.entitlement AS e WHERE e.reader_id = reader));
END $$;
CREATE VIEW visible.stream WITH (security_barrier) AS SELECT * FROM fieldlab.seen_streams(NULL, NULL, NULL);
COMMENT ON VIEW visible.stream IS 'The streams that concern the reader; all of them for whoever administers the lab.';

CREATE FUNCTION visible.streams(ids uuid[], assets text[], names text[]) RETURNS SETOF visible.stream
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM fieldlab.seen_streams(coalesce(ids, '{}'), assets, names)
$$;
COMMENT ON FUNCTION visible.streams IS 'Those of the streams with these ids, or these pairs of asset and name.';

CREATE FUNCTION fieldlab.seen_tenures()
RETURNS TABLE (id bigint, stream integer, asset text, stream_name text, owner text, trial text, start timestamptz,
               until timestamptz, booked boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_participant();
    administers boolean := fieldlab.bound_with('lab:admin') IS NOT NULL;
BEGIN
    RETURN QUERY
    SELECT t.id, t.stream_id, a.slug, s.name, o.slug, r.slug, t.start, t.until, t.booked
    FROM fieldlab.tenure AS t
    JOIN fieldlab.stream AS s ON s.id = t.stream_id
    JOIN fieldlab.asset AS a ON a.id = s.asset_id
    JOIN fieldlab.participant AS o ON o.id = t.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = t.trial_id
    WHERE administers OR t.owner_id = reader;
END $$;
CREATE VIEW visible.tenure WITH (security_barrier) AS SELECT * FROM fieldlab.seen_tenures();
COMMENT ON VIEW visible.tenure IS 'The reader''s tenures; all of them for whoever administers the lab.';

COMMENT ON FUNCTION fieldlab.seen_participants IS 'Stands behind visible.participant, so that no plan shows the rest.';
COMMENT ON FUNCTION fieldlab.seen_assets IS 'Stands behind visible.asset, so that no plan shows the rest.';
COMMENT ON FUNCTION fieldlab.seen_streams IS
    'Stands behind visible.stream and visible.streams, so that no plan shows the rest; wanted NULL means all.';
COMMENT ON FUNCTION fieldlab.seen_tenures IS 'Stands behind visible.tenure, so that no plan shows the rest.';

CREATE FUNCTION visible.segments(of_streams integer[], since timestamptz, before timestamptz)
RETURNS TABLE (stream integer, start timestamptz, until timestamptz, tenure bigint, owner text, trial text, basis text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT e.stream_id, greatest(e.start, since), least(e.until, before), e.tenure_id, o.slug, r.slug, e.basis
    FROM fieldlab.entitlement AS e
    JOIN fieldlab.participant AS o ON o.id = e.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = e.trial_id
    WHERE e.reader_id = reader AND e.stream_id = ANY (of_streams) AND e.start < before AND e.until > since
    ORDER BY array_position(of_streams, e.stream_id), e.start;
END $$;
COMMENT ON FUNCTION visible.segments IS
    'The decision: the readable stretches of streams within [since, before), cut at tenure boundaries, by stream as
asked and time.';

CREATE FUNCTION visible.gaps(of_streams integer[], since timestamptz, before timestamptz)
RETURNS TABLE (tenure bigint, stream integer, start timestamptz, until timestamptz, cause text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT e.tenure_id, g.stream_id, greatest(g.start, e.start, since), least(g.until, e.until, before), g.cause
    FROM fieldlab.entitlement AS e
    JOIN fieldlab.gap AS g ON g.stream_id = e.stream_id AND g.start < e.until AND g.until > e.start
    WHERE e.reader_id = reader AND e.stream_id = ANY (of_streams) AND e.start < before AND e.until > since
      AND g.start < before AND g.until > since
    ORDER BY 2, 3;
END $$;
COMMENT ON FUNCTION visible.gaps IS 'The known holes within the readable stretches of streams in [since, before).';

CREATE FUNCTION visible.samples(of_stream integer, since timestamptz, before timestamptz, at_most integer,
                                good_only boolean DEFAULT false)
RETURNS TABLE (tenure bigint, "time" timestamptz, value double precision, text text, status smallint, origin smallint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10000 AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    right_held record;
    found bigint;
    wanted bigint := at_most;
BEGIN
    FOR right_held IN
        SELECT e.tenure_id, greatest(e.start, since) AS start, least(e.until, before) AS until
        FROM fieldlab.entitlement AS e
        WHERE e.reader_id = reader AND e.stream_id = of_stream AND e.start < before AND e.until > since
        ORDER BY e.start
    LOOP
        RETURN QUERY
        SELECT right_held.tenure_id, m.time, m.value, m.text, m.status, m.origin FROM fieldlab.measurement AS m
        WHERE m.stream_id = of_stream AND m.time >= right_held.start AND m.time < right_held.until
          AND (m.status = 0 OR NOT good_only)
        ORDER BY m.time LIMIT wanted;
        GET DIAGNOSTICS found = ROW_COUNT;
        wanted := wanted - found;
        EXIT WHEN wanted <= 0;
    END LOOP;
END $$;
COMMENT ON FUNCTION visible.samples IS
    'The readable samples of one stream in [since, before), oldest first, at most so many; reads no further than that.';

CREATE FUNCTION visible.buckets(numbers integer[], streams integer[], tenures bigint[], starts timestamptz[],
                                untils timestamptz[], step bigint, good_only boolean, at_most integer)
RETURNS TABLE (number integer, start timestamptz, mean double precision, lowest double precision,
               highest double precision, count bigint, origins integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    width interval := make_interval(secs => step / 1e6);
    earliest timestamptz := (SELECT min(s) FROM unnest(starts) AS s);
    latest timestamptz := (SELECT max(u) FROM unnest(untils) AS u);
BEGIN
    RETURN QUERY
    SELECT s.number, public.time_bucket(width, m.time, timestamptz '1970-01-01Z'),
           avg(m.value), min(m.value), max(m.value), count(*), bit_or(1 << (m.origin & 15))
    FROM unnest(numbers, streams, tenures, starts, untils) AS s (number, stream, tenure, start, until)
    JOIN fieldlab.entitlement AS e ON e.reader_id = reader AND e.tenure_id = s.tenure AND e.stream_id = s.stream
    JOIN fieldlab.measurement AS m
        ON m.stream_id = e.stream_id AND m.time >= e.start AND m.time < e.until AND m.time >= s.start
        AND m.time < s.until AND m.time >= earliest AND m.time < latest
    WHERE m.status >= 0 AND (m.status = 0 OR NOT good_only)
    GROUP BY 1, 2 ORDER BY 1, 2 LIMIT at_most;
END $$;
COMMENT ON FUNCTION visible.buckets IS
    'Aggregates of numbered, readable stretches [start, until) over buckets of step microseconds on the grid of the Unix
epoch, of samples whose status is not bad, or only good; origins is a set of bits.';

CREATE FUNCTION visible.minutes(of_streams integer[], since timestamptz, before timestamptz)
RETURNS TABLE (tenure bigint, stream integer, bucket timestamptz, samples bigint, total double precision,
               total_of_squares double precision, lowest double precision, highest double precision,
               first double precision, last double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT e.tenure_id, m.stream_id, m.bucket, m.samples, m.total, m.total_of_squares, m.least, m.greatest, m.first,
           m.last
    FROM fieldlab.entitlement AS e
    JOIN fieldlab.measurement_1m AS m ON m.stream_id = e.stream_id AND m.bucket >= e.start AND m.bucket < e.until
    WHERE e.reader_id = reader AND e.stream_id = ANY (of_streams) AND m.stream_id = ANY (of_streams)
      AND m.bucket >= since AND m.bucket < before;
END $$;
COMMENT ON FUNCTION visible.minutes IS
    'The readable rollups of streams by minute, of minutes that begin in [since, before).';

CREATE FUNCTION visible.latest(of_streams integer[])
RETURNS TABLE (stream integer, tenure bigint, owner text, trial text, basis text, "time" timestamptz,
               value double precision, text text, status smallint, origin smallint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT l.stream_id, l.tenure_id, o.slug, r.slug, l.basis, l.time, l.value, l.text, l.status, l.origin
    FROM unnest(of_streams) AS wanted CROSS JOIN LATERAL (
        SELECT e.stream_id, e.tenure_id, e.owner_id, e.trial_id, e.basis, m.time, m.value, m.text, m.status, m.origin
        FROM fieldlab.entitlement AS e CROSS JOIN LATERAL (
            SELECT * FROM fieldlab.measurement AS n
            WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
            ORDER BY n.time DESC LIMIT 1) AS m
        WHERE e.reader_id = reader AND e.stream_id = wanted
        ORDER BY m.time DESC LIMIT 1) AS l
    JOIN fieldlab.participant AS o ON o.id = l.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id;
END $$;
COMMENT ON FUNCTION visible.latest IS 'The newest readable sample of each stream.';

CREATE FUNCTION visible.extent(of_streams integer[])
RETURNS TABLE (stream integer, first timestamptz, last timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT e.stream_id, min(edge.first), max(edge.last)
    FROM fieldlab.entitlement AS e CROSS JOIN LATERAL (
        SELECT (SELECT n.time FROM fieldlab.measurement AS n
                WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
                ORDER BY n.time LIMIT 1) AS first,
               (SELECT n.time FROM fieldlab.measurement AS n
                WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
                ORDER BY n.time DESC LIMIT 1) AS last) AS edge
    WHERE e.reader_id = reader AND e.stream_id = ANY (of_streams)
    GROUP BY e.stream_id HAVING min(edge.first) IS NOT NULL;
END $$;
COMMENT ON FUNCTION visible.extent IS 'The times of the oldest and newest readable sample of each stream that has one.';

CREATE FUNCTION visible.amend_tenures(of_asset text, by_kind text, take_out bigint[], put_in jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    amended integer := (SELECT id FROM fieldlab.asset WHERE slug = of_asset);
    before jsonb;
    after jsonb;
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NULL THEN
        RAISE EXCEPTION 'only lab:admin amends tenures' USING ERRCODE = 'insufficient_privilege';
    END IF;
    WITH gone AS (
        DELETE FROM fieldlab.tenure AS t USING fieldlab.stream AS s
        WHERE t.id = ANY (take_out) AND s.id = t.stream_id AND s.asset_id = amended
        RETURNING t.stream_id, t.owner_id, t.trial_id, t.start, t.until, t.booked)
    SELECT coalesce(jsonb_agg(to_jsonb(gone)), '[]') INTO before FROM gone;
    IF jsonb_array_length(before) IS DISTINCT FROM cardinality(take_out) THEN
        RAISE EXCEPTION 'the tenures have changed since they were read' USING ERRCODE = 'serialization_failure';
    END IF;
    IF by_kind = 'hand_over' AND before @? '$[*] ? (@.booked == true)' THEN
        RAISE EXCEPTION 'a hand-over takes nothing that is booked' USING ERRCODE = 'exclusion_violation';
    END IF;
    INSERT INTO fieldlab.trial (slug, participant_id)
    SELECT DISTINCT row.trial, p.id
    FROM jsonb_to_recordset(put_in) AS row (owner text, trial text) JOIN fieldlab.participant AS p ON p.slug = row.owner
    WHERE row.trial IS NOT NULL
    ON CONFLICT (slug) DO NOTHING;
    IF EXISTS (SELECT FROM jsonb_to_recordset(put_in) AS row (owner text, trial text)
               JOIN fieldlab.participant AS p ON p.slug = row.owner
               JOIN fieldlab.trial AS r ON r.slug = row.trial AND r.participant_id <> p.id) THEN
        RAISE EXCEPTION 'that trial belongs to another participant' USING ERRCODE = 'unique_violation';
    END IF;
    WITH new AS (
        INSERT INTO fieldlab.tenure (stream_id, owner_id, trial_id, start, until, booked)
        SELECT s.id, p.id, r.id, row.start, row.until, row.booked
        FROM jsonb_to_recordset(put_in)
            AS row (stream integer, owner text, trial text, start timestamptz, until timestamptz, booked boolean)
        JOIN fieldlab.stream AS s ON s.id = row.stream AND s.asset_id = amended
        JOIN fieldlab.participant AS p ON p.slug = row.owner
        LEFT JOIN fieldlab.trial AS r ON r.slug = row.trial
        RETURNING stream_id, owner_id, trial_id, start, until, booked)
    SELECT coalesce(jsonb_agg(to_jsonb(new)), '[]') INTO after FROM new;
    IF jsonb_array_length(after) <> jsonb_array_length(put_in) THEN
        RAISE EXCEPTION 'a stream of another asset, or an unknown participant'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    INSERT INTO fieldlab.tenure_event (asset_id, principal, kind, removed, added)
    SELECT amended, (fieldlab.bound()).principal, by_kind, before, after;
END $$;
COMMENT ON FUNCTION visible.amend_tenures IS
    'Replaces tenures of one asset and appends the event; the constraints refuse a hole or an overlap at commit.';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA visible FROM PUBLIC;
REVOKE ALL ON FUNCTION fieldlab.seen_participants, fieldlab.seen_assets, fieldlab.seen_streams, fieldlab.seen_tenures
    FROM PUBLIC;
GRANT USAGE ON SCHEMA visible TO fieldlab_api;
GRANT SELECT ON ALL TABLES IN SCHEMA visible TO fieldlab_api;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA visible TO fieldlab_api;
GRANT EXECUTE ON FUNCTION fieldlab.seen_participants, fieldlab.seen_assets, fieldlab.seen_streams,
    fieldlab.seen_tenures TO fieldlab_api;

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
REVOKE ALL ON ALL TABLES IN SCHEMA fieldlab FROM fieldlab_gateway, fieldlab_maintainer;
REVOKE SELECT (id, asset_id, kind) ON fieldlab.stream FROM fieldlab_gateway;
REVOKE SELECT (id, slug, nature) ON fieldlab.asset FROM fieldlab_gateway;
REVOKE SELECT (stream_id, time) ON fieldlab.measurement FROM fieldlab_maintainer;
REVOKE ALL ON SCHEMA fieldlab FROM fieldlab_gateway, fieldlab_maintainer;
REVOKE ALL ON FUNCTION fieldlab.conflicting_rows FROM fieldlab_gateway;
DROP SCHEMA visible CASCADE;
DROP FUNCTION fieldlab.seen_participants, fieldlab.seen_assets, fieldlab.seen_streams, fieldlab.seen_tenures;
DROP VIEW fieldlab.entitlement;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)
