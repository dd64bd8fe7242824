"""Buckets with every aggregate, over steps of fixed length or of the calendar, from samples or from rollups.

A bucket is made of samples, or of parts: rollups by minute and hour, and under a floor the floor's own buckets that
have samples enough. Both ways give the same. What reaches back (rate, delta, time-weighted mean) reaches no further
than the right it is read under, and under a floor not out of its bucket.
"""

import re
from importlib import import_module

from alembic import op

revision = "0015"
down_revision = "0014"

PARTS: dict[str, str] = {}


START = r"CASE WHEN edges IS NULL THEN public.time_bucket(width, \1, timestamptz '1970-01-01Z') "
START += r"ELSE edges[width_bucket(\1, edges)] END"
END = r"CASE WHEN edges IS NULL THEN \1 + width ELSE edges[width_bucket(\1, edges) + 1] END"
"""The start of the bucket that holds a moment, and the end of the one that starts then."""


def _filled(statement: str) -> str:
    """Put the parts of statements, such as `@samples@` and `@start m.time@`, in their places."""
    for name, part in PARTS.items():
        statement = statement.replace(f"@{name}@", part)
    statement = re.sub(r"@start ([^@]+)@", START, statement)
    return re.sub(r"@end ([^@]+)@", END, statement)


HELD = """
CREATE FUNCTION fieldlab.held(reader integer, numbers integer[], streams integer[], tenures bigint[],
                              starts timestamptz[], untils timestamptz[], under uuid[])
RETURNS TABLE (place bigint, number integer, stream integer, start timestamptz, until timestamptz, reach timestamptz,
               resolution_floor bigint, minimum_samples integer, allowed text[])
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp ROWS 100 AS $$
    SELECT s.place, s.number, s.stream, greatest(e.start, s.start), least(e.until, s.until), e.start,
           e.resolution_floor, e.minimum_samples, e.aggregates
    FROM unnest(numbers, streams, tenures, starts, untils) WITH ORDINALITY
        AS s (number, stream, tenure, start, until, place)
    JOIN fieldlab.permitted AS e ON e.reader_id = reader AND e.tenure_id = s.tenure AND e.stream_id = s.stream
        AND e.agreement_id IS NOT DISTINCT FROM under[s.place]
    WHERE greatest(e.start, s.start) < least(e.until, s.until)
$$;
COMMENT ON FUNCTION fieldlab.held IS
    'Of numbered stretches of streams what a reader may have, with the terms; reach is where the right begins. A stretch
is the reader''s own, or under the agreement of the same place.';

CREATE FUNCTION fieldlab.pieces(since timestamptz, before timestamptz, hourly boolean)
RETURNS TABLE (grain text, start timestamptz, until timestamptz)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp ROWS 3 AS $$
    SELECT * FROM (
        SELECT v.grain, v.start, v.until
        FROM (SELECT fieldlab.edge_after(since, 60000000), fieldlab.edge_before(before, 60000000)) AS m (a, b)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN hourly THEN least(fieldlab.edge_after(a, 3600000000), greatest(a, b))
                        ELSE greatest(a, b) END) AS n (c)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN hourly THEN greatest(fieldlab.edge_before(b, 3600000000), c) ELSE c END) AS o (d)
        CROSS JOIN LATERAL (VALUES ('sample', since, least(a, before)), ('minute', a, c), ('hour', c, d),
                                   ('minute', d, b), ('sample', greatest(a, b), before)) AS v (grain, start, until)
    ) AS p
    WHERE p.start < p.until
$$;
COMMENT ON FUNCTION fieldlab.pieces IS
    'A stretch of time as whole hours, where wanted, the whole minutes around them, and the rest at both ends.';
"""

PARTS["samples"] = """
        SELECT h.place, @start m.time@ AS start, m.time, m.value, m.origin
        FROM held AS h JOIN fieldlab.measurement AS m
            ON m.stream_id = h.stream AND m.time >= h.start AND m.time < h.until AND m.time >= earliest
            AND m.time < latest
        WHERE h.resolution_floor IS NULL AND m.status >= 0 AND (m.status = 0 OR NOT good_only)
"""
"""Samples without a floor, each with its bucket."""

PARTS["whole"] = """
              AND (edges IS NOT NULL OR step % h.resolution_floor = 0)
              AND k.start >= h.start AND @end k.start@ <= h.until AND k.start <= k.fine
              AND k.fine + make_interval(secs => h.resolution_floor / 1e6) <= @end k.start@
"""
"""A bucket that lies wholly in its stretch, and a bucket of the floor that lies wholly in it."""

PARTS["kept_samples"] = _filled("""
        @samples@
        UNION ALL
        SELECT k.place, k.start, k.time, k.value, k.origin FROM (
            SELECT h.place, m.time, m.value, m.origin, @start m.time@ AS start,
                   fieldlab.edge_before(m.time, h.resolution_floor) AS fine,
                   count(*) OVER (PARTITION BY h.place, fieldlab.edge_before(m.time, h.resolution_floor)) AS samples
            FROM held AS h JOIN fieldlab.measurement AS m
                ON m.stream_id = h.stream AND m.time >= h.start AND m.time < h.until AND m.time >= earliest
                AND m.time < latest
            WHERE (ranked OR weighted) AND h.resolution_floor IS NOT NULL AND NOT good_only AND m.status >= 0
        ) AS k JOIN held AS h USING (place)
        WHERE k.samples >= h.minimum_samples @whole@
""")
"""The same, and under a floor the samples of those of its buckets that have enough."""

PARTS["summary"] = """
                   count(*) AS samples, count(m.value) AS valued, sum(m.value) AS total,
                   var_pop(m.value) * count(m.value) AS deviations, min(m.value) AS least, max(m.value) AS greatest,
                   public.first(m.value, m.time) FILTER (WHERE edged AND m.value IS NOT NULL) AS first,
                   min(m.time) FILTER (WHERE edged AND m.value IS NOT NULL) AS first_at,
                   public.last(m.value, m.time) FILTER (WHERE edged AND m.value IS NOT NULL) AS last,
                   max(m.time) FILTER (WHERE edged AND m.value IS NOT NULL) AS last_at,
                   bit_or(1 << (m.origin & 15)) AS origins
"""
PARTS["rolled"] = (
    "m.samples, m.valued, m.total, m.deviations, m.least, m.greatest, m.first, m.first_at, m.last, m.last_at"
)

PARTS["parts"] = _filled("""
        SELECT h.place, @start m.time@ AS start, @summary@
        FROM piece AS h JOIN fieldlab.measurement AS m
            ON m.stream_id = h.stream AND m.time >= h.start AND m.time < h.until AND m.time >= earliest
            AND m.time < latest
        WHERE h.grain = 'sample' AND m.status >= 0 AND (m.status = 0 OR NOT good_only)
        GROUP BY 1, 2
        UNION ALL
        SELECT h.place, @start m.bucket@, @rolled@, m.origins
        FROM piece AS h JOIN fieldlab.measurement_1h AS m
            ON m.stream_id = h.stream AND m.bucket >= h.start AND m.bucket < h.until AND m.bucket >= earliest
            AND m.bucket < latest
        WHERE rolling AND hourly AND h.grain = 'hour'
        UNION ALL
        SELECT h.place, @start m.bucket@, @rolled@, m.origins
        FROM piece AS h JOIN fieldlab.measurement_1m AS m
            ON m.stream_id = h.stream AND m.bucket >= h.start AND m.bucket < h.until AND m.bucket >= earliest
            AND m.bucket < latest
        WHERE rolling AND h.grain = 'minute'
        UNION ALL
        SELECT h.place, k.start, k.samples, k.valued, k.total, k.deviations, k.least, k.greatest, k.first, k.first_at,
               k.last, k.last_at, k.origins
        FROM (
            SELECT h.place, fieldlab.edge_before(m.time, h.resolution_floor) AS fine,
                   @start min(m.time)@ AS start, @summary@
            FROM held AS h JOIN fieldlab.measurement AS m
                ON m.stream_id = h.stream AND m.time >= h.start AND m.time < h.until AND m.time >= earliest
                AND m.time < latest
            WHERE h.resolution_floor IS NOT NULL AND NOT good_only AND m.status >= 0
              AND NOT (rolling AND h.resolution_floor % 60000000 = 0)
            GROUP BY 1, 2
        ) AS k JOIN held AS h USING (place)
        WHERE k.samples >= h.minimum_samples @whole@
        UNION ALL
        SELECT k.place, k.start, k.samples, k.valued, k.total, k.deviations, k.least, k.greatest, k.first, k.first_at,
               k.last, k.last_at, k.origins
        FROM (
            SELECT h.place, fieldlab.edge_before(m.bucket, h.resolution_floor) AS fine,
                   @start m.bucket@ AS start, @rolled@, m.origins,
                   sum(m.samples) OVER (
                       PARTITION BY h.place, fieldlab.edge_before(m.bucket, h.resolution_floor)) AS together
            FROM held AS h JOIN fieldlab.measurement_1m AS m
                ON m.stream_id = h.stream AND m.bucket >= h.start AND m.bucket + interval '1 minute' <= h.until
                AND m.bucket >= earliest AND m.bucket < latest
            WHERE rolling AND h.resolution_floor % 60000000 = 0
        ) AS k JOIN held AS h USING (place)
        WHERE k.together >= h.minimum_samples @whole@
""")
"""What buckets are made of: ragged ends, whole hours and minutes, under a floor its buckets with samples enough."""

PARTS["weighed"] = """
    spaced AS (
        SELECT place, start, time, value, lag(time) OVER w AS earlier_at, lag(value) OVER w AS earlier
        FROM sample WHERE weighted AND value IS NOT NULL WINDOW w AS (PARTITION BY place ORDER BY time)
    ),
    weighed AS (
        SELECT s.place, s.start, sum(b.value * b.seconds) AS area, sum(b.seconds) AS weight
        FROM spaced AS s JOIN held AS h USING (place)
        LEFT JOIN LATERAL (
            SELECT m.value, m.time FROM fieldlab.measurement AS m
            WHERE s.earlier_at IS NULL AND h.resolution_floor IS NULL AND m.stream_id = h.stream AND m.time >= h.reach
              AND m.time < s.time AND m.value IS NOT NULL AND m.status >= 0 AND (m.status = 0 OR NOT good_only)
            ORDER BY m.time DESC LIMIT 1) AS f ON true
        CROSS JOIN LATERAL (
            SELECT coalesce(s.earlier, f.value),
                   date_part('epoch', s.time - greatest(coalesce(s.earlier_at, f.time), s.start, h.start))
            WHERE coalesce(s.earlier_at, f.time) IS NOT NULL
              AND (h.resolution_floor IS NULL OR s.earlier_at >= s.start)) AS b (value, seconds)
        GROUP BY 1, 2
    ),
"""
"""How long each value held within its bucket; the last one is added where the rows are given."""

PARTS["ranked"] = """
    rank AS (
        SELECT place, start,
               percentile_cont(ARRAY[0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) WITHIN GROUP (ORDER BY value) AS at
        FROM sample WHERE ranked GROUP BY 1, 2
    ),
"""

_COLUMNS = (
    ("count", "l.count"), ("mean", "l.mean"), ("min", "l.lowest"), ("max", "l.highest"), ("sum", "l.total"),
    ("stddev", "l.spread"), ("first", "l.first"), ("last", "l.last"), ("delta", "c.change"),
    ("rate", "c.change / c.seconds"), ("time_weighted_mean", "t.mean"), ("median", "r.at[3]"), ("p5", "r.at[1]"),
    ("p25", "r.at[2]"), ("p75", "r.at[4]"), ("p95", "r.at[5]"), ("p99", "r.at[6]"),
)  # fmt: skip
PARTS["masked"] = ", ".join(
    f"CASE WHEN h.allowed IS NULL OR '{name}' = ANY (h.allowed) THEN {value} END" for name, value in _COLUMNS
)

PARTS["given"] = _filled("""
    linked AS (
        SELECT g.*, lag(last) OVER w AS before, lag(last_at) OVER w AS before_at
        FROM g WINDOW w AS (PARTITION BY place ORDER BY start)
    )
    SELECT h.number, l.start, @masked@, l.origins
    FROM linked AS l JOIN held AS h USING (place)
    LEFT JOIN rank AS r ON r.place = l.place AND r.start = l.start
    LEFT JOIN weighed AS w ON w.place = l.place AND w.start = l.start
    LEFT JOIN LATERAL (
        SELECT m.value, m.time FROM fieldlab.measurement AS m
        WHERE changing AND l.before_at IS NULL AND h.resolution_floor IS NULL AND m.stream_id = h.stream
          AND m.time >= h.reach AND m.time < l.first_at AND m.value IS NOT NULL AND m.status >= 0
          AND (m.status = 0 OR NOT good_only)
        ORDER BY m.time DESC LIMIT 1) AS f ON true
    LEFT JOIN LATERAL (
        SELECT l.last - b.value, date_part('epoch', l.last_at - b.at)
        FROM (SELECT CASE WHEN h.resolution_floor IS NOT NULL THEN l.first
                          ELSE coalesce(l.before, f.value, l.first) END,
                     CASE WHEN h.resolution_floor IS NOT NULL THEN l.first_at
                          ELSE coalesce(l.before_at, f.time, l.first_at) END) AS b (value, at)
        WHERE changing AND b.at < l.last_at) AS c (change, seconds) ON true
    LEFT JOIN LATERAL (
        SELECT CASE WHEN coalesce(w.weight, 0) + x.tail > 0
                    THEN (coalesce(w.area, 0) + l.last * x.tail) / (coalesce(w.weight, 0) + x.tail)
                    ELSE l.last END
        FROM (SELECT greatest(0, date_part('epoch', least(@end l.start@, h.until, now())
                                                    - l.last_at))) AS x (tail)
        WHERE weighted AND l.last_at IS NOT NULL) AS t (mean) ON true
    ORDER BY l.place, l.start
""")
"""The rows: what an agreement does not allow is NULL."""

BUCKETS = _filled("""
CREATE FUNCTION visible.buckets(numbers integer[], streams integer[], tenures bigint[], starts timestamptz[],
                                untils timestamptz[], step bigint, good_only boolean, at_most integer,
                                under uuid[] DEFAULT NULL, edges timestamptz[] DEFAULT NULL,
                                wanted text[] DEFAULT '{mean,min,max,count}', rolled boolean DEFAULT NULL)
RETURNS TABLE (number integer, start timestamptz, count bigint, mean double precision, lowest double precision,
               highest double precision, total double precision, spread double precision, first double precision,
               last double precision, delta double precision, rate double precision,
               time_weighted_mean double precision, median double precision, p5 double precision, p25 double precision,
               p75 double precision, p95 double precision, p99 double precision, origins integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    width interval := make_interval(secs => step / 1e6);
    earliest timestamptz := (SELECT min(s) FROM unnest(starts) AS s);
    latest timestamptz := (SELECT max(u) FROM unnest(untils) AS u);
    ranked boolean := wanted && '{median,p5,p25,p75,p95,p99}';
    weighted boolean := wanted && '{time_weighted_mean}';
    changing boolean := wanted && '{delta,rate}';
    edged boolean := wanted && '{first,last,delta,rate,time_weighted_mean}';
    spreading boolean := wanted && '{stddev}';
    minutely boolean := CASE WHEN edges IS NULL THEN step % 60000000 = 0 ELSE NOT EXISTS (
        SELECT FROM unnest(edges) AS e WHERE e <> fieldlab.edge_before(e, 60000000)) END;
    hourly boolean := CASE WHEN edges IS NULL THEN step % 3600000000 = 0 ELSE NOT EXISTS (
        SELECT FROM unnest(edges) AS e WHERE e <> fieldlab.edge_before(e, 3600000000)) END;
    floored boolean := EXISTS (
        SELECT FROM fieldlab.held(reader, numbers, streams, tenures, starts, untils, under)
        WHERE resolution_floor IS NOT NULL);
    rolling boolean := minutely AND NOT good_only AND NOT ranked AND NOT weighted AND coalesce(rolled,
        EXISTS (SELECT FROM fieldlab.platform WHERE engine = 'community')
        AND EXISTS (SELECT FROM unnest(starts, untils) AS s (start, until)
                    WHERE NOT isfinite(start) OR NOT isfinite(until) OR until - start > interval '6 hours'));
BEGIN
    IF NOT floored AND NOT rolling AND NOT ranked AND NOT weighted AND NOT edged THEN
        RETURN QUERY
        WITH held AS MATERIALIZED (
            SELECT * FROM fieldlab.held(reader, numbers, streams, tenures, starts, untils, under)
        ),
        g AS (
            SELECT h.place, @start m.time@ AS start, count(*) AS count,
                   avg(m.value) AS mean, min(m.value) AS lowest, max(m.value) AS highest,
                   sum(m.value) FILTER (WHERE wanted && '{sum}') AS total,
                   stddev_samp(m.value) AS spread, bit_or(1 << (m.origin & 15)) AS origins
            FROM held AS h JOIN fieldlab.measurement AS m
                ON m.stream_id = h.stream AND m.time >= h.start AND m.time < h.until AND m.time >= earliest
                AND m.time < latest
            WHERE m.status >= 0 AND (m.status = 0 OR NOT good_only)
            GROUP BY 1, 2 ORDER BY 1, 2
        )
        SELECT h.number, g.start, g.count,
               g.mean, g.lowest, g.highest, g.total,
               g.spread, NULL::float8, NULL::float8, NULL::float8, NULL::float8, NULL::float8, NULL::float8,
               NULL::float8, NULL::float8, NULL::float8, NULL::float8, NULL::float8, g.origins
        FROM g JOIN held AS h USING (place)
        WHERE g.start IS NOT NULL ORDER BY g.place, g.start LIMIT at_most;
    ELSIF NOT floored AND NOT rolling THEN
        RETURN QUERY
        WITH held AS MATERIALIZED (
            SELECT * FROM fieldlab.held(reader, numbers, streams, tenures, starts, untils, under)
        ),
        sample AS NOT MATERIALIZED (@samples@),
        g AS (
            SELECT place, start, count(*) AS count, avg(value) AS mean, min(value) AS lowest, max(value) AS highest,
                   sum(value) AS total, stddev_samp(value) AS spread,
                   public.first(value, time) FILTER (WHERE edged AND value IS NOT NULL) AS first,
                   min(time) FILTER (WHERE edged AND value IS NOT NULL) AS first_at,
                   public.last(value, time) FILTER (WHERE edged AND value IS NOT NULL) AS last,
                   max(time) FILTER (WHERE edged AND value IS NOT NULL) AS last_at,
                   bit_or(1 << (origin & 15)) AS origins
            FROM sample WHERE start IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2 LIMIT at_most
        ),
        @ranked@ @weighed@ @given@;
    ELSE
        RETURN QUERY
        WITH held AS MATERIALIZED (
            SELECT * FROM fieldlab.held(reader, numbers, streams, tenures, starts, untils, under)
        ),
        piece AS MATERIALIZED (
            SELECT h.place, h.stream, p.grain, p.start, p.until
            FROM held AS h CROSS JOIN LATERAL fieldlab.pieces(h.start, h.until, hourly) AS p
            WHERE rolling AND h.resolution_floor IS NULL
            UNION ALL
            SELECT h.place, h.stream, 'sample', h.start, h.until FROM held AS h
            WHERE NOT rolling AND h.resolution_floor IS NULL
        ),
        sample AS NOT MATERIALIZED (@kept_samples@),
        part AS NOT MATERIALIZED (@parts@),
        joined AS (
            SELECT place, start, sum(samples)::bigint AS count, sum(valued) AS valued, sum(total) AS total,
                   min(least) AS lowest, max(greatest) AS highest,
                   public.first(first, first_at) FILTER (WHERE edged AND first_at IS NOT NULL) AS first,
                   min(first_at) FILTER (WHERE edged) AS first_at,
                   public.last(last, last_at) FILTER (WHERE edged AND last_at IS NOT NULL) AS last,
                   max(last_at) FILTER (WHERE edged) AS last_at, bit_or(origins) AS origins
            FROM part WHERE start IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2 LIMIT at_most
        ),
        spread AS (
            SELECT p.place, p.start,
                   sum(p.deviations + p.valued * (p.total / p.valued - j.total / j.valued::float8) ^ 2) AS deviations
            FROM part AS p JOIN joined AS j USING (place, start)
            WHERE spreading AND p.valued > 0 GROUP BY 1, 2
        ),
        g AS (
            SELECT j.place, j.start, j.count, j.total / nullif(j.valued, 0)::float8 AS mean, j.lowest, j.highest,
                   j.total, CASE WHEN j.valued > 1 THEN sqrt(s.deviations / (j.valued - 1)::float8) END AS spread,
                   j.first, j.first_at, j.last, j.last_at, j.origins
            FROM joined AS j LEFT JOIN spread AS s ON s.place = j.place AND s.start = j.start
        ),
        @ranked@ @weighed@ @given@;
    END IF;
END $$;
COMMENT ON FUNCTION visible.buckets IS
    'Aggregates of numbered, readable stretches [start, until), by place and time, of samples whose status is not bad,
or only good; origins is a set of bits. Buckets have step microseconds on the grid of the Unix epoch, or lie between
edges. A stretch is the reader''s own, or under the agreement of the same place. Under a floor steps are multiples of
it, there is no filter, each bucket is whole, made of those of the floor that have samples enough, and has the allowed
aggregates alone. wanted names what is computed; rolled says whether rollups are read where they can answer.';

REVOKE ALL ON FUNCTION visible.buckets, fieldlab.held, fieldlab.pieces FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.buckets TO fieldlab_api;
""")

AWAY = "DROP FUNCTION visible.buckets, visible.minutes"

ROLLUPS_AWAY = """
DO $$
DECLARE
    rollup text;
BEGIN
    FOREACH rollup IN ARRAY ARRAY['measurement_1m', 'measurement_1h'] LOOP
        IF to_regclass('fieldlab.' || rollup) IS NOT NULL THEN
            BEGIN
                EXECUTE format('DROP VIEW fieldlab.%I', rollup);
            EXCEPTION WHEN wrong_object_type OR feature_not_supported OR object_not_in_prerequisite_state THEN
                EXECUTE format('DROP MATERIALIZED VIEW fieldlab.%I', rollup);
            END;
        END IF;
    END LOOP;
END $$
"""
"""The fit to the engine, which follows the revisions, makes the rollups anew as they are now."""


def upgrade() -> None:
    for part in (ROLLUPS_AWAY, AWAY, HELD, BUCKETS):
        op.execute(part)


def downgrade() -> None:
    earlier = import_module("migrations.versions.0011_granted")
    op.execute("DROP FUNCTION visible.buckets, fieldlab.held, fieldlab.pieces")
    op.execute(earlier.BUCKETS)
    op.execute(
        "REVOKE ALL ON FUNCTION visible.buckets, visible.minutes FROM PUBLIC; "
        "GRANT EXECUTE ON FUNCTION visible.buckets, visible.minutes TO fieldlab_api"
    )
