"""Rights to data by agreement: to what is one's own comes what owners permit, and each read keeps to the terms.

A reader with a resolution floor gets whole buckets of its floor, each with enough samples, and what is made of those:
samples, first and last times and the newest value are not for it, and neither is a filter: what it leaves out would be
told by the difference. A coarser bucket is made of the buckets of the floor that are given, so that no two steps differ
by one that is withheld.
"""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"

PERMITTED = """
CREATE FUNCTION fieldlab.edge_before(at timestamptz, width bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(date_bin(make_interval(secs => width / 1e6), at, timestamptz 'epoch'), at)
$$;
CREATE FUNCTION fieldlab.edge_after(at timestamptz, width bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(fieldlab.edge_before(at - interval '1 microsecond', width) + make_interval(secs => width / 1e6), at)
$$;
COMMENT ON FUNCTION fieldlab.edge_before IS
    'The last edge at or before a moment on a floor''s grid from the Unix epoch; without a floor the moment itself.';
COMMENT ON FUNCTION fieldlab.edge_after IS
    'The first edge at or after a moment on a floor''s grid from the Unix epoch; without a floor the moment itself.';

CREATE VIEW fieldlab.granted AS
SELECT a.id AS agreement_id, a.grantee_id, a.state, a.valid_from, a.valid_until, s.stream_id, w.start, w.until,
       t.id AS tenure_id, t.owner_id, t.trial_id, a.resolution_floor, a.minimum_samples, a.aggregates
FROM fieldlab.agreement AS a
JOIN fieldlab.agreement_stream AS s ON s.agreement_id = a.id
JOIN fieldlab.tenure AS t ON t.stream_id = s.stream_id AND t.owner_id = a.owner_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN a.resolution_floor IS NULL THEN b.start
                ELSE fieldlab.edge_after(b.start, a.resolution_floor) END AS start,
           CASE WHEN a.resolution_floor IS NULL THEN b.until
                ELSE fieldlab.edge_before(b.until, a.resolution_floor) END AS until
    FROM (VALUES (greatest(t.start, a.data_from), least(t.until, a.data_until, now() - a.embargo))) AS b (start, until)
) AS w
WHERE w.start < w.until
  AND (a.trial IS NULL OR t.trial_id = (SELECT r.id FROM fieldlab.trial AS r WHERE r.slug = a.trial));
COMMENT ON VIEW fieldlab.granted IS
    'What each agreement opens, whatever its state: tenures of its owner, in its data window, before its embargo.';

CREATE VIEW fieldlab.permitted AS
SELECT e.reader_id, e.stream_id, e.start, e.until, e.tenure_id, e.owner_id, e.trial_id, e.basis,
       NULL::uuid AS agreement_id, NULL::bigint AS resolution_floor, NULL::integer AS minimum_samples,
       NULL::text[] AS aggregates
FROM fieldlab.entitlement AS e
UNION ALL
SELECT g.grantee_id, g.stream_id, g.start, g.until, g.tenure_id, g.owner_id, g.trial_id, 'agreement',
       g.agreement_id, g.resolution_floor, g.minimum_samples, g.aggregates
FROM fieldlab.granted AS g
WHERE g.state = 'active' AND now() >= g.valid_from AND now() < g.valid_until
UNION ALL
SELECT g.owner_id, g.stream_id, g.start, g.until, g.tenure_id, g.owner_id, g.trial_id, 'preview',
       g.agreement_id, g.resolution_floor, g.minimum_samples, g.aggregates
FROM fieldlab.granted AS g;
COMMENT ON VIEW fieldlab.permitted IS
    'Who may read which stretch of which stream, and on what basis: own entitlements, what agreements permit on their
terms, and previews: an owner''s right to its own data under an agreement''s terms. Whoever joins with it keeps to the
terms; whoever joins with fieldlab.entitlement has what is the reader''s own, and nothing to keep to.';
COMMENT ON VIEW fieldlab.entitlement IS 'Who may read which stretch of which stream because it is its own.';

CREATE OR REPLACE FUNCTION fieldlab.seen_assets()
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
        SELECT s.asset_id FROM fieldlab.stream AS s JOIN fieldlab.permitted AS e ON e.stream_id = s.id
        WHERE e.reader_id = reader AND e.basis <> 'preview');
END $$;

CREATE OR REPLACE FUNCTION fieldlab.seen_streams(wanted uuid[], of_assets text[], of_names text[])
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
           SELECT e.stream_id FROM fieldlab.permitted AS e WHERE e.reader_id = reader AND e.basis <> 'preview'));
END $$;
"""

DECISION = """
CREATE FUNCTION visible.segments(of_streams integer[], since timestamptz, before timestamptz, preview uuid DEFAULT NULL)
RETURNS TABLE (stream integer, start timestamptz, until timestamptz, tenure bigint, owner text, trial text, basis text,
               agreement uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT e.stream_id, greatest(e.start, since), least(e.until, before), e.tenure_id, o.slug, r.slug, e.basis,
           e.agreement_id
    FROM fieldlab.permitted AS e
    JOIN fieldlab.participant AS o ON o.id = e.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = e.trial_id
    WHERE e.reader_id = reader AND e.stream_id = ANY (of_streams) AND e.start < before AND e.until > since
      AND CASE WHEN preview IS NULL THEN e.basis <> 'preview'
               ELSE e.basis = 'preview' AND e.agreement_id = preview END
    ORDER BY array_position(of_streams, e.stream_id), e.start, e.until, e.agreement_id;
END $$;
COMMENT ON FUNCTION visible.segments IS
    'The rights to decide on: the readable stretches of streams within [since, before), cut at tenure boundaries, by
stream as asked and time; several agreements may open the same stretch. With a preview, what that agreement opens.';

CREATE FUNCTION visible.gaps(of_streams integer[], since timestamptz, before timestamptz)
RETURNS TABLE (tenure bigint, stream integer, start timestamptz, until timestamptz, cause text, agreement uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT e.tenure_id, g.stream_id, greatest(w.start, e.start, since), least(w.until, e.until, before), g.cause,
           e.agreement_id
    FROM fieldlab.permitted AS e
    JOIN fieldlab.gap AS g ON g.stream_id = e.stream_id AND g.start < e.until AND g.until > e.start
    CROSS JOIN LATERAL (
        SELECT fieldlab.edge_before(g.start, e.resolution_floor) AS start,
               fieldlab.edge_after(g.until, e.resolution_floor) AS until) AS w
    WHERE e.reader_id = reader AND e.stream_id = ANY (of_streams) AND e.start < before AND e.until > since
      AND w.start < before AND w.until > since AND g.recovered IS NULL
    ORDER BY 2, 3;
END $$;
COMMENT ON FUNCTION visible.gaps IS
    'The known holes that are still open, within the readable stretches of streams in [since, before); under a floor, of
whole buckets.';

CREATE FUNCTION visible.extent(of_streams integer[])
RETURNS TABLE (stream integer, first timestamptz, last timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT e.stream_id, min(edge.first), max(edge.last)
    FROM fieldlab.permitted AS e CROSS JOIN LATERAL (
        SELECT (SELECT n.time FROM fieldlab.measurement AS n
                WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
                ORDER BY n.time LIMIT 1) AS first,
               (SELECT n.time FROM fieldlab.measurement AS n
                WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
                ORDER BY n.time DESC LIMIT 1) AS last) AS edge
    WHERE e.reader_id = reader AND e.stream_id = ANY (of_streams) AND e.basis <> 'preview'
      AND e.resolution_floor IS NULL
    GROUP BY e.stream_id HAVING min(edge.first) IS NOT NULL;
END $$;
COMMENT ON FUNCTION visible.extent IS
    'The times of the oldest and newest readable sample of each stream that has one; none under a floor.';
"""

SAMPLES = """
CREATE FUNCTION visible.samples(of_stream integer, since timestamptz, before timestamptz, at_most integer,
                                good_only boolean DEFAULT false, under uuid DEFAULT NULL)
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
        FROM fieldlab.permitted AS e
        WHERE e.reader_id = reader AND e.stream_id = of_stream AND e.start < before AND e.until > since
          AND e.agreement_id IS NOT DISTINCT FROM under AND e.resolution_floor IS NULL
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
    'The samples of one stream in [since, before) that are the reader''s own, or that it may read under one agreement,
oldest first, at most so many; none under a floor.';

CREATE FUNCTION visible.latest(of_streams integer[], under uuid[] DEFAULT '{}')
RETURNS TABLE (stream integer, tenure bigint, owner text, trial text, basis text, "time" timestamptz,
               value double precision, text text, status smallint, origin smallint, agreement uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT l.stream_id, l.tenure_id, o.slug, r.slug, l.basis, l.time, l.value, l.text, l.status, l.origin,
           l.agreement_id
    FROM unnest(of_streams) AS wanted CROSS JOIN LATERAL (
        SELECT e.stream_id, e.tenure_id, e.owner_id, e.trial_id, e.basis, e.agreement_id, m.time, m.value, m.text,
               m.status, m.origin
        FROM fieldlab.permitted AS e CROSS JOIN LATERAL (
            SELECT * FROM fieldlab.measurement AS n
            WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
            ORDER BY n.time DESC LIMIT 1) AS m
        WHERE e.reader_id = reader AND e.stream_id = wanted AND e.resolution_floor IS NULL
          AND (e.basis = 'own' OR e.agreement_id = ANY (under))
        ORDER BY m.time DESC, array_position(under, e.agreement_id) LIMIT 1) AS l
    JOIN fieldlab.participant AS o ON o.id = l.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id;
END $$;
COMMENT ON FUNCTION visible.latest IS
    'The newest sample of each stream that is the reader''s own or readable under one of these agreements, the first of
them first; none under a floor.';
"""

BUCKETS = """
CREATE FUNCTION visible.buckets(numbers integer[], streams integer[], tenures bigint[], starts timestamptz[],
                                untils timestamptz[], step bigint, good_only boolean, at_most integer,
                                under uuid[] DEFAULT NULL)
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
    IF under IS NULL THEN
        RETURN QUERY
        SELECT s.number, public.time_bucket(width, m.time, timestamptz '1970-01-01Z'),
               avg(m.value), min(m.value), max(m.value), count(*), bit_or(1 << (m.origin & 15))
        FROM unnest(numbers, streams, tenures, starts, untils) AS s (number, stream, tenure, start, until)
        JOIN fieldlab.permitted AS e ON e.reader_id = reader AND e.tenure_id = s.tenure AND e.stream_id = s.stream
        JOIN fieldlab.measurement AS m
            ON m.stream_id = e.stream_id AND m.time >= e.start AND m.time < e.until AND m.time >= s.start
            AND m.time < s.until AND m.time >= earliest AND m.time < latest
        WHERE e.basis = 'own' AND m.status >= 0 AND (m.status = 0 OR NOT good_only)
        GROUP BY 1, 2 ORDER BY 1, 2 LIMIT at_most;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT * FROM (
        SELECT s.number, public.time_bucket(width, m.time, timestamptz '1970-01-01Z') AS start,
               avg(m.value), min(m.value), max(m.value), count(*), bit_or(1 << (m.origin & 15))
        FROM unnest(numbers, streams, tenures, starts, untils, under) AS s (number, stream, tenure, start, until, under)
        JOIN fieldlab.permitted AS e ON e.reader_id = reader AND e.tenure_id = s.tenure AND e.stream_id = s.stream
            AND e.agreement_id IS NOT DISTINCT FROM s.under AND e.resolution_floor IS NULL
        JOIN fieldlab.measurement AS m
            ON m.stream_id = e.stream_id AND m.time >= e.start AND m.time < e.until AND m.time >= s.start
            AND m.time < s.until AND m.time >= earliest AND m.time < latest
        WHERE m.status >= 0 AND (m.status = 0 OR NOT good_only)
        GROUP BY 1, 2
        UNION ALL
        SELECT f.number, f.start,
               CASE WHEN 'mean' = ANY (f.aggregates) THEN sum(f.total) / nullif(sum(f.valued), 0) END,
               CASE WHEN 'min' = ANY (f.aggregates) THEN min(f.lowest) END,
               CASE WHEN 'max' = ANY (f.aggregates) THEN max(f.highest) END,
               CASE WHEN 'count' = ANY (f.aggregates) THEN sum(f.samples)::bigint END, bit_or(f.origins)
        FROM (
            SELECT s.number, public.time_bucket(width, m.time, timestamptz '1970-01-01Z') AS start, e.aggregates,
                   sum(m.value) AS total, count(m.value) AS valued, min(m.value) AS lowest, max(m.value) AS highest,
                   count(*) AS samples, bit_or(1 << (m.origin & 15)) AS origins
            FROM unnest(numbers, streams, tenures, starts, untils, under) WITH ORDINALITY
                AS s (number, stream, tenure, start, until, under, place)
            JOIN fieldlab.permitted AS e
                ON e.reader_id = reader AND e.tenure_id = s.tenure AND e.stream_id = s.stream
                AND e.agreement_id = s.under AND e.resolution_floor IS NOT NULL
            JOIN fieldlab.measurement AS m
                ON m.stream_id = e.stream_id AND m.time >= e.start AND m.time < e.until AND m.time >= s.start
                AND m.time < s.until AND m.time >= earliest AND m.time < latest
            WHERE NOT good_only AND m.status >= 0 AND step % e.resolution_floor = 0
            GROUP BY s.place, s.number, 2, e.aggregates, e.minimum_samples, e.start, e.until, s.start, s.until,
                     public.time_bucket(make_interval(secs => e.resolution_floor / 1e6), m.time,
                                        timestamptz '1970-01-01Z')
            HAVING count(*) >= e.minimum_samples
               AND public.time_bucket(width, min(m.time), timestamptz '1970-01-01Z') >= greatest(e.start, s.start)
               AND public.time_bucket(width, min(m.time), timestamptz '1970-01-01Z') + width <= least(e.until, s.until)
        ) AS f
        GROUP BY f.number, f.start, f.aggregates
    ) AS b
    ORDER BY 1, 2 LIMIT at_most;
END $$;
COMMENT ON FUNCTION visible.buckets IS
    'Aggregates of numbered, readable stretches [start, until) over buckets of step microseconds on the grid of the Unix
epoch, of samples whose status is not bad, or only good; origins is a set of bits. A stretch is the reader''s own, or
under the agreement of the same place. Under a floor step is a multiple of it, there is no filter, each bucket is whole,
made of those of the floor that have samples enough, and has the allowed aggregates alone.';

CREATE FUNCTION visible.minutes(of_streams integer[], since timestamptz, before timestamptz)
RETURNS TABLE (tenure bigint, stream integer, bucket timestamptz, samples bigint, total double precision,
               total_of_squares double precision, lowest double precision, highest double precision,
               first double precision, last double precision, agreement uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT e.tenure_id, m.stream_id, m.bucket, m.samples, m.total, m.total_of_squares, m.least, m.greatest, m.first,
           m.last, e.agreement_id
    FROM fieldlab.permitted AS e
    JOIN fieldlab.measurement_1m AS m
        ON m.stream_id = e.stream_id AND m.bucket >= e.start AND m.bucket + interval '1 minute' <= e.until
    WHERE e.reader_id = reader AND e.stream_id = ANY (of_streams) AND m.stream_id = ANY (of_streams)
      AND m.bucket >= since AND m.bucket < before AND e.basis <> 'preview' AND e.resolution_floor IS NULL;
END $$;
COMMENT ON FUNCTION visible.minutes IS
    'The readable rollups of streams by minute, of whole minutes that begin in [since, before); none under a floor.';
"""

RIGHTS = """
REVOKE ALL ON FUNCTION visible.segments, visible.gaps, visible.extent, visible.samples, visible.latest,
    visible.buckets, visible.minutes, fieldlab.edge_before, fieldlab.edge_after FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.segments, visible.gaps, visible.extent, visible.samples, visible.latest,
    visible.buckets, visible.minutes TO fieldlab_api;
"""

AWAY = """
DROP FUNCTION visible.segments, visible.gaps, visible.extent, visible.samples, visible.latest, visible.buckets,
    visible.minutes;
"""

_EARLIER = Path(__file__).with_name("0011_earlier.sql")
"""The reads as they were before there were agreements."""


def upgrade() -> None:
    for part in (PERMITTED, AWAY, DECISION, SAMPLES, BUCKETS, RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute(AWAY)
    op.execute("DROP VIEW fieldlab.permitted, fieldlab.granted")
    op.execute("DROP FUNCTION fieldlab.edge_before, fieldlab.edge_after")
    op.execute(_EARLIER.read_text(encoding="utf-8"))
    op.execute(RIGHTS.replace(", fieldlab.edge_before, fieldlab.edge_after", ""))
