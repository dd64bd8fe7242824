COMMENT ON VIEW fieldlab.entitlement IS
    'Who may read which stretch of which stream, and on what basis: the one place where rights to data are decided.';

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
        SELECT s.asset_id FROM fieldlab.stream AS s JOIN fieldlab.entitlement AS e ON e.stream_id = s.id
        WHERE e.reader_id = reader);
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
           SELECT e.stream_id FROM fieldlab.entitlement AS e WHERE e.reader_id = reader));
END $$;

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
      AND g.start < before AND g.until > since AND g.recovered IS NULL
    ORDER BY 2, 3;
END $$;
COMMENT ON FUNCTION visible.gaps IS 'The known holes that are still open, within the readable stretches of streams in [since, before).';

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
