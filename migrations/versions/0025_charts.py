"""What a chart needs of a long stretch, the value in force at a time, and the streams of a trial.

Of a stretch with more samples than a chart can show, the smallest and the largest of each of many short bins are given,
with their times: from rollups where these can answer. Under a floor a chart is made of the means of its buckets.
"""

import re

from alembic import op

revision = "0025"
down_revision = "0024"

_BIN = r"date_bin(make_interval(secs => width / 1e6), \1, timestamptz 'epoch')"
_FINITE = r"\1 > '-Infinity' AND \1 < 'Infinity'"

CHART = """
CREATE FUNCTION fieldlab.bin_width(span interval, bins integer, multiple bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT greatest(1, ceil(exact / unit))::bigint * unit
    FROM (SELECT exact, CASE WHEN multiple IS NOT NULL THEN multiple WHEN exact > 3600000000 THEN 3600000000
                             WHEN exact > 60000000 THEN 60000000 ELSE 1 END AS unit
          FROM (SELECT extract(epoch FROM span) * 1000000 / bins AS exact) AS e) AS u
$$;
COMMENT ON FUNCTION fieldlab.bin_width IS
    'The width of bins, in microseconds, of which so many cover a span: whole hours, whole minutes or less, or whole
multiples.';

CREATE FUNCTION fieldlab.peaks(of_stream integer, since timestamptz, before timestamptz, width bigint,
                               good_only boolean, rolled boolean)
RETURNS TABLE (low double precision, low_at timestamptz, high double precision, high_at timestamptz, origins integer)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    rolling boolean := rolled AND NOT good_only AND width % 60000000 = 0;
    piece record;
BEGIN
    FOR piece IN
        SELECT * FROM fieldlab.pieces(since, before, width % 3600000000 = 0) WHERE rolling
        UNION ALL
        SELECT 'sample', since, before WHERE NOT rolling
    LOOP
        IF piece.grain = 'hour' THEN
            RETURN QUERY
            SELECT min(m.least) FILTER (WHERE @finite m.least@),
                   public.first(m.least_at, m.least) FILTER (WHERE @finite m.least@),
                   max(m.greatest) FILTER (WHERE @finite m.greatest@),
                   public.last(m.greatest_at, m.greatest) FILTER (WHERE @finite m.greatest@), bit_or(m.origins)
            FROM fieldlab.measurement_1h AS m
            WHERE m.stream_id = of_stream AND m.bucket >= piece.start AND m.bucket < piece.until
            GROUP BY @bin m.bucket@;
        ELSIF piece.grain = 'minute' THEN
            RETURN QUERY
            SELECT min(m.least) FILTER (WHERE @finite m.least@),
                   public.first(m.least_at, m.least) FILTER (WHERE @finite m.least@),
                   max(m.greatest) FILTER (WHERE @finite m.greatest@),
                   public.last(m.greatest_at, m.greatest) FILTER (WHERE @finite m.greatest@), bit_or(m.origins)
            FROM fieldlab.measurement_1m AS m
            WHERE m.stream_id = of_stream AND m.bucket >= piece.start AND m.bucket < piece.until
            GROUP BY @bin m.bucket@;
        ELSE
            RETURN QUERY
            SELECT min(m.value), public.first(m.time, m.value), max(m.value), public.last(m.time, m.value),
                   bit_or(1 << (m.origin & 15))
            FROM fieldlab.measurement AS m
            WHERE m.stream_id = of_stream AND m.time >= piece.start AND m.time < piece.until AND m.status >= 0
              AND (m.status = 0 OR NOT good_only) AND @finite m.value@
            GROUP BY @bin m.time@;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION fieldlab.peaks IS
    'The smallest and the largest value of a stream in each bin of a stretch, or piece of a bin, with their times.';

CREATE FUNCTION visible.chart(numbers integer[], streams integer[], tenures bigint[], starts timestamptz[],
                              untils timestamptz[], points integer, good_only boolean DEFAULT false,
                              under uuid[] DEFAULT NULL, rolled boolean DEFAULT NULL)
RETURNS TABLE (number integer, allotted integer, "time" timestamptz, value double precision, origins integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    rolling boolean := coalesce(rolled, EXISTS (SELECT FROM fieldlab.platform WHERE engine = 'community'));
    day bigint := 86400000000;
    piece record;
    share integer;
    width bigint;
BEGIN
    FOR piece IN
        WITH extended AS (
            SELECT h.*, e.first, e.last,
                   coalesce(greatest(extract(epoch FROM e.last - e.first), 0.000001), 0) AS seconds
            FROM fieldlab.held(reader, numbers, streams, tenures, starts, untils, under) AS h
            CROSS JOIN LATERAL (
                SELECT (SELECT m.time FROM fieldlab.measurement AS m
                        WHERE m.stream_id = h.stream AND m.time >= h.start AND m.time < h.until
                        ORDER BY m.time LIMIT 1) AS first,
                       (SELECT m.time FROM fieldlab.measurement AS m
                        WHERE m.stream_id = h.stream AND m.time >= h.start AND m.time < h.until
                        ORDER BY m.time DESC LIMIT 1) AS last
                WHERE h.resolution_floor IS NULL
                UNION ALL
                SELECT min(b.start), max(b.start) + make_interval(
                           secs => fieldlab.bin_width(interval '1 day', 1, h.resolution_floor) / 1e6)
                FROM visible.buckets(
                    ARRAY[h.number], ARRAY[h.stream], ARRAY[tenures[h.place]], ARRAY[h.start], ARRAY[h.until],
                    h.resolution_floor, good_only, 2147483647, under[h.place:h.place], NULL, '{count}', rolled) AS b
                WHERE h.resolution_floor IS NOT NULL
            ) AS e
        )
        SELECT x.*, sum(x.seconds) OVER (PARTITION BY x.stream) AS together,
               count(*) OVER (PARTITION BY x.stream) AS pieces
        FROM extended AS x WHERE x.first IS NOT NULL ORDER BY x.place
    LOOP
        share := 3 + floor((points - 3 * piece.pieces) * piece.seconds / piece.together);
        IF points < 3 * piece.pieces THEN
            RETURN QUERY SELECT piece.number, 0, NULL::timestamptz, NULL::float8, 0;
        ELSIF piece.resolution_floor IS NOT NULL THEN
            width := fieldlab.bin_width(piece.last - piece.first, 4 * share, piece.resolution_floor);
            RETURN QUERY
            SELECT piece.number, share, b.start, b.mean, b.origins
            FROM visible.buckets(
                ARRAY[piece.number], ARRAY[piece.stream], ARRAY[tenures[piece.place]], ARRAY[piece.start],
                ARRAY[piece.until], width, good_only, 2147483647, under[piece.place:piece.place], NULL, '{mean}',
                rolled) AS b
            WHERE b.mean > '-Infinity' AND b.mean < 'Infinity';
        ELSIF NOT EXISTS (
            SELECT FROM fieldlab.measurement AS m
            WHERE m.stream_id = piece.stream AND m.time >= piece.first AND m.time <= piece.last
            ORDER BY m.time OFFSET 4 * share) THEN
            RETURN QUERY
            SELECT piece.number, share, m.time, m.value, 1 << (m.origin & 15) FROM fieldlab.measurement AS m
            WHERE m.stream_id = piece.stream AND m.time >= piece.first AND m.time <= piece.last AND m.status >= 0
              AND (m.status = 0 OR NOT good_only) AND m.value > '-Infinity' AND m.value < 'Infinity'
            ORDER BY m.time;
        ELSE
            width := fieldlab.bin_width(piece.last - piece.first, 2 * share, NULL);
            RETURN QUERY
            SELECT piece.number, share, v.at, v.value, p.origins
            FROM fieldlab.peaks(piece.stream, piece.first, piece.last + interval '1 microsecond', width, good_only,
                                rolling) AS p
            CROSS JOIN LATERAL (VALUES (p.low_at, p.low), (p.high_at, p.high)) AS v (at, value)
            WHERE v.value IS NOT NULL AND (v.at = p.low_at AND v.value = p.low OR p.high_at IS DISTINCT FROM p.low_at)
            ORDER BY v.at;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION visible.chart IS
    'For a chart of at most so many points a stream: of each stretch all samples where they are few, else the smallest
and the largest of each of many bins, under a floor the means of buckets of whole multiples; and how many points it may
show. Samples whose status is bad are left out. Where a stream has more stretches than three points each allow, each
gets one empty row.';
"""

IN_FORCE = """
CREATE FUNCTION visible.in_force(of_streams integer[], at timestamptz, good_only boolean DEFAULT false,
                                 under uuid[] DEFAULT '{}')
RETURNS TABLE (stream integer, tenure bigint, owner text, trial text, basis text, "time" timestamptz,
               value double precision, text text, status smallint, origin smallint, agreement uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT l.stream_id, l.tenure_id, o.slug, r.slug, l.basis, l.time, l.value, l.text, l.status, l.origin,
           l.agreement_id
    FROM unnest(of_streams) WITH ORDINALITY AS wanted (id, place) CROSS JOIN LATERAL (
        SELECT e.stream_id, e.tenure_id, e.owner_id, e.trial_id, e.basis, e.agreement_id, m.time, m.value, m.text,
               m.status, m.origin
        FROM fieldlab.permitted AS e CROSS JOIN LATERAL (
            SELECT * FROM fieldlab.measurement AS n
            WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time <= at AND (n.status = 0 OR NOT good_only)
            ORDER BY n.time DESC LIMIT 1) AS m
        WHERE e.reader_id = reader AND e.stream_id = wanted.id AND e.start <= at AND e.until > at
          AND e.resolution_floor IS NULL AND (e.basis = 'own' OR e.basis <> 'preview' AND e.agreement_id = ANY (under))
        ORDER BY m.time DESC, array_position(under, e.agreement_id) LIMIT 1) AS l
    JOIN fieldlab.participant AS o ON o.id = l.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id
    ORDER BY wanted.place;
END $$;
COMMENT ON FUNCTION visible.in_force IS
    'The newest sample at or before a time of each stream, within the tenure that holds at that time: the reader''s own
or readable under one of these agreements; none under a floor.';

CREATE FUNCTION visible.trial_streams(of_trial text) RETURNS TABLE (id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_participant();
BEGIN
    RETURN QUERY
    SELECT s.uid FROM fieldlab.trial AS r
    JOIN fieldlab.permitted AS e ON e.trial_id = r.id
    JOIN fieldlab.stream AS s ON s.id = e.stream_id
    JOIN fieldlab.asset AS a ON a.id = s.asset_id
    WHERE r.slug = of_trial AND e.reader_id = reader AND e.basis <> 'preview'
    GROUP BY s.uid, a.slug, s.name ORDER BY a.slug, s.name;
END $$;
COMMENT ON FUNCTION visible.trial_streams IS 'The streams of a trial of which the reader may have anything, by name.';
"""

RIGHTS = """
REVOKE ALL ON FUNCTION visible.chart, visible.in_force, visible.trial_streams, fieldlab.peaks, fieldlab.bin_width
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.chart, visible.in_force, visible.trial_streams TO fieldlab_api;
"""


def upgrade() -> None:
    chart = re.sub(r"@bin ([^@]+)@", _BIN, CHART)
    op.execute(re.sub(r"@finite ([^@]+)@", _FINITE, chart))
    op.execute(IN_FORCE)
    op.execute(RIGHTS)


def downgrade() -> None:
    op.execute("DROP FUNCTION visible.chart, visible.in_force, visible.trial_streams")
    op.execute("DROP FUNCTION fieldlab.peaks, fieldlab.bin_width")
