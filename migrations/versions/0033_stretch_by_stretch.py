"""Buckets are made stretch by stretch, in the order of the key, and of what is wanted alone: nothing is sorted."""

from importlib import import_module

from alembic import op

revision = "0033"
down_revision = "0032"

_earlier = import_module("migrations.versions.0015_aggregates")
BEFORE = _earlier.BUCKETS[: _earlier.BUCKETS.index("COMMENT ON FUNCTION")]

_BEGIN = BEFORE.index("    IF NOT floored AND NOT rolling AND NOT ranked AND NOT weighted AND NOT edged THEN")
_END = BEFORE.index("    ELSIF NOT floored AND NOT rolling THEN")

PLAIN = """    IF NOT floored AND NOT rolling AND NOT ranked AND NOT weighted AND NOT edged THEN
        RETURN QUERY
        SELECT h.number, g.start, g.count, g.mean, g.lowest, g.highest, g.total, g.spread, NULL::float8, NULL::float8,
               NULL::float8, NULL::float8, NULL::float8, NULL::float8, NULL::float8, NULL::float8, NULL::float8,
               NULL::float8, NULL::float8, g.origins
        FROM fieldlab.held(reader, numbers, streams, tenures, starts, untils, under) AS h CROSS JOIN LATERAL (
            SELECT CASE WHEN edges IS NULL THEN public.time_bucket(width, m.time, timestamptz '1970-01-01Z')
                        ELSE edges[width_bucket(m.time, edges)] END AS start, count(*) AS count,
                   avg(m.value) FILTER (WHERE wanted && '{mean}') AS mean,
                   min(m.value) FILTER (WHERE wanted && '{min}') AS lowest,
                   max(m.value) FILTER (WHERE wanted && '{max}') AS highest,
                   sum(m.value) FILTER (WHERE wanted && '{sum}') AS total,
                   stddev_samp(m.value) FILTER (WHERE spreading) AS spread, bit_or(1 << (m.origin & 15)) AS origins
            FROM fieldlab.measurement AS m
            WHERE m.stream_id = h.stream AND m.time >= h.start AND m.time < h.until AND m.time >= earliest
              AND m.time < latest AND m.status >= 0 AND (m.status = 0 OR NOT good_only)
            GROUP BY 1) AS g
        WHERE g.start IS NOT NULL ORDER BY h.place, g.start LIMIT at_most;
"""

BUCKETS = (BEFORE[:_BEGIN] + PLAIN + BEFORE[_END:]).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


def upgrade() -> None:
    op.execute(BUCKETS)


def downgrade() -> None:
    op.execute(BEFORE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
