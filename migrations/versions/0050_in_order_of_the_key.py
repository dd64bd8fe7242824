"""Stretches are read in the order of the key, and what they are read under is looked up once.

How much a stretch holds is guessed too low for the planner to see that the key's index gives its samples in order: a
bitmap of their places, and a sort, took almost half of the time of wide reads.
"""

from importlib import import_module
from typing import Final

from alembic import op

from migrations.edit import edit

revision = "0050"
down_revision = "0049"

_BUCKETS: Final = (
    "visible.buckets(integer[],integer[],bigint[],timestamptz[],timestamptz[],bigint,boolean,integer,uuid[],"
    "timestamptz[],text[],boolean)"
)
_DECISION: Final = "visible.decision(bytea,uuid[],text[],text[],text,timestamptz,timestamptz,bigint,uuid)"

EDITS: Final = (
    (
        _BUCKETS,
        (
            "SET plan_cache_mode TO 'force_custom_plan'",
            "SET plan_cache_mode TO 'force_custom_plan'\n SET enable_bitmapscan TO 'off'",
        ),
        (
            """        SELECT FROM fieldlab.held(reader, numbers, streams, tenures, starts, untils, under)
        WHERE resolution_floor IS NOT NULL);""",
            """        SELECT FROM fieldlab.agreement AS a
        WHERE a.id = ANY (under) AND a.resolution_floor IS NOT NULL AND reader IN (a.owner_id, a.grantee_id));""",
        ),
        (
            "        WHERE g.start IS NOT NULL ORDER BY h.place, g.start LIMIT at_most;",
            """        WHERE h.resolution_floor IS NULL AND (edges IS NULL OR g.start IS NOT NULL)
        ORDER BY h.place, g.start LIMIT at_most;""",
        ),
    ),
    (
        _DECISION,
        (
            """        SELECT array_agg(a.id), array_agg(a.state), array_agg(a.proposed_by), array_agg(a.proposed_at),
               array_agg(a.answer_by), array_agg(a.replaces), array_agg(a.terms), array_agg(a.hash)""",
            """        SELECT array_agg(a.id), array_agg(fieldlab.agreement_state(a.state, a.answer_by, a.valid_until)),
               array_agg(a.proposed_by), array_agg(a.proposed_at), array_agg(a.answer_by), array_agg(a.replaces),
               array_agg(fieldlab.told_terms(a.terms, who.streams)), array_agg(encode(a.hash, 'hex'))""",
        ),
        (
            """FROM fieldlab.seen_agreements((SELECT array_agg(DISTINCT held) FROM unnest(right_agreements) AS held
                                       WHERE held IS NOT NULL)) AS a
        WHERE a.id = ANY (right_agreements);""",
            """FROM fieldlab.agreement AS a
        WHERE a.id = ANY (right_agreements) AND reader IN (a.owner_id, a.grantee_id);""",
        ),
    ),
)
"""For each function what stood in it, and what stands there instead."""

HELD = """
CREATE OR REPLACE FUNCTION fieldlab.held(reader integer, numbers integer[], streams integer[], tenures bigint[],
                                         starts timestamptz[], untils timestamptz[], under uuid[])
RETURNS TABLE (place bigint, number integer, stream integer, start timestamptz, until timestamptz, reach timestamptz,
               resolution_floor bigint, minimum_samples integer, allowed text[])
LANGUAGE plpgsql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    entry fieldlab.access := fieldlab.noted(reader);
    told boolean := fieldlab.tells(entry, streams, starts, untils, under);
BEGIN
    RETURN QUERY
    SELECT s.place, s.number, s.stream, greatest(e.start, s.start), least(e.until, s.until), e.start,
           e.resolution_floor, e.minimum_samples, e.aggregates
    FROM unnest(numbers, streams, tenures, starts, untils) WITH ORDINALITY
        AS s (number, stream, tenure, start, until, place)
    JOIN fieldlab.permitted AS e ON e.reader_id = reader AND e.tenure_id = s.tenure AND e.stream_id = s.stream
        AND e.agreement_id IS NOT DISTINCT FROM under[s.place]
    WHERE greatest(e.start, s.start) < least(e.until, s.until) AND (told OR EXISTS (
        SELECT FROM unnest(entry.streams, entry.starts, entry.untils, entry.agreements)
            AS n (stream, start, until, agreement)
        WHERE n.stream = s.stream AND n.start <= greatest(e.start, s.start) AND n.until >= least(e.until, s.until)
          AND n.agreement IS NOT DISTINCT FROM e.agreement_id));
END $$;
"""

STATE = """
CREATE OR REPLACE FUNCTION fieldlab.agreement_state(state text, answer_by timestamptz, valid_until timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN CASE WHEN state IN ('requested', 'offered') AND answer_by <= now() THEN 'expired'
                WHEN state IN ('active', 'suspended') AND valid_until <= now() THEN 'expired' ELSE state END;
END $$;
"""


_noted = import_module("migrations.versions.0042_noted")
HELD_BEFORE = _noted.READS[: _noted.READS.index("COMMENT ON FUNCTION fieldlab.held")]
STATE_BEFORE = """
CREATE OR REPLACE FUNCTION fieldlab.agreement_state(state text, answer_by timestamptz, valid_until timestamptz)
RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN state IN ('requested', 'offered') AND answer_by <= now() THEN 'expired'
                WHEN state IN ('active', 'suspended') AND valid_until <= now() THEN 'expired' ELSE state END
$$;
"""


def upgrade() -> None:
    op.execute(HELD)
    op.execute(STATE)
    for function, *edits in EDITS:
        for old, new in edits:
            edit(function, old, new)


def downgrade() -> None:
    for function, *edits in reversed(EDITS):
        for old, new in reversed(edits):
            edit(function, new, old)
    op.execute(STATE_BEFORE)
    op.execute(HELD_BEFORE)
