"""Broken glass, erasures and the events of an agreement are given page by page, each page at the cost of a page."""

from typing import Final

from alembic import op

revision = "0046"
down_revision = "0045"

_GLASS: Final = """
DROP FUNCTION visible.broken_glass;
CREATE FUNCTION visible.broken_glass({asked})
RETURNS TABLE (id uuid, participant text, principal text, reason text, opened_at timestamptz, closes_at timestamptz,
               streams text[], start timestamptz, until timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_participant();
    limits integer[] := fieldlab.bound_streams();
BEGIN
    RETURN QUERY
    SELECT b.id, p.slug, b.principal, b.reason, b.opened_at, b.closes_at, opened.names, b.start, b.until
    FROM fieldlab.break_glass AS b
    JOIN fieldlab.participant AS p ON p.id = b.participant_id
    CROSS JOIN LATERAL (
        SELECT array_agg(n ORDER BY n) AS names
        FROM fieldlab.glass_owners(b.id) AS o CROSS JOIN LATERAL unnest(o.names) AS n
        WHERE (limits IS NULL OR b.streams <@ limits) AND reader IN (b.participant_id, o.owner)) AS opened
    WHERE opened.names IS NOT NULL{beyond}
    ORDER BY b.opened_at DESC, b.id DESC LIMIT {most};
END $$;
COMMENT ON FUNCTION visible.broken_glass IS
    'Every broken glass that opened the reader''s data, or that it broke itself, newest first.';
"""

_ERASURES: Final = """
DROP FUNCTION visible.erasures;
CREATE FUNCTION visible.erasures({asked})
RETURNS TABLE (id uuid, at timestamptz, principal text, reason text, streams text[], start timestamptz,
               until timestamptz, samples bigint, rejects bigint, exports bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_participant();
    limits integer[] := fieldlab.bound_streams();
BEGIN
    RETURN QUERY
    SELECT e.id, e.at, e.principal, e.reason,
           ARRAY(SELECT a.slug || '.' || s.name FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id
                 WHERE s.id = ANY (e.streams) ORDER BY 1),
           e.start, e.until, e.samples, e.rejects, e.exports
    FROM fieldlab.erasure AS e
    WHERE e.owner_id = reader AND (limits IS NULL OR e.streams <@ limits){beyond}
    ORDER BY e.at DESC, e.id DESC LIMIT {most};
END $$;
COMMENT ON FUNCTION visible.erasures IS 'What the reader has erased, newest first.';
"""

_EVENTS: Final = """
DROP FUNCTION visible.agreement_events;
CREATE FUNCTION visible.agreement_events({asked})
RETURNS TABLE (id bigint, at timestamptz, kind text, participant text, principal text, reason text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_participant();
    limits integer[] := fieldlab.bound_streams();
BEGIN
    RETURN QUERY
    SELECT e.id, e.at, e.kind, e.participant, e.principal, e.reason
    FROM (
        SELECT s.id, s.at, s.kind, p.slug AS participant, s.principal, s.reason
        FROM fieldlab.agreement AS a
        JOIN fieldlab.agreement_event AS s ON s.agreement_id = a.id
        JOIN fieldlab.participant AS p ON p.id = s.participant_id
        WHERE a.id = of AND fieldlab.covers(a.id, limits) AND reader IN (a.owner_id, a.grantee_id)
        UNION ALL
        SELECT {expiry}, CASE WHEN a.state IN ('requested', 'offered') THEN a.answer_by ELSE a.valid_until END,
               'expire', NULL, 'the clock', ''
        FROM fieldlab.agreement AS a
        WHERE a.id = of AND fieldlab.covers(a.id, limits) AND reader IN (a.owner_id, a.grantee_id)
          AND a.state <> fieldlab.agreement_state(a.state, a.answer_by, a.valid_until)) AS e{beyond}
    ORDER BY e.at, e.id LIMIT {most};
END $$;
COMMENT ON FUNCTION visible.agreement_events IS
    'The life of one of the reader''s agreements, oldest first; the clock''s expiry is found, not stored; it stands
last of its time.';
"""

_RIGHTS: Final = """
REVOKE ALL ON FUNCTION visible.broken_glass, visible.erasures, visible.agreement_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.broken_glass, visible.erasures, visible.agreement_events TO fieldlab_api;
"""

_NEWER: Final = """before timestamptz DEFAULT 'infinity',
                before_id uuid DEFAULT 'ffffffff-ffff-ffff-ffff-ffffffffffff', at_most integer DEFAULT NULL"""
_OLDER: Final = """of uuid, after timestamptz DEFAULT '-infinity', after_id bigint DEFAULT 0,
                at_most integer DEFAULT NULL"""


def _made(function: str, **parts: str) -> str:
    for name, text in parts.items():
        function = function.replace("{" + name + "}", text)
    return function


def upgrade() -> None:
    op.execute("CREATE INDEX break_glass_newest ON fieldlab.break_glass (opened_at, id)")
    op.execute(
        _made(_GLASS, asked=_NEWER, beyond="\n      AND (b.opened_at, b.id) < (before, before_id)", most="at_most")
    )
    op.execute(_made(_ERASURES, asked=_NEWER, beyond="\n      AND (e.at, e.id) < (before, before_id)", most="at_most"))
    op.execute(
        _made(
            _EVENTS,
            asked=_OLDER,
            expiry="9223372036854775807",
            beyond="\n    WHERE (e.at, e.id) > (after, after_id)",
            most="at_most",
        )
    )
    op.execute(_RIGHTS)


def downgrade() -> None:
    op.execute(_made(_GLASS, asked="", beyond="", most="1000"))
    op.execute(_made(_ERASURES, asked="", beyond="", most="1000"))
    op.execute(_made(_EVENTS, asked="of uuid", expiry="NULL", beyond="", most="NULL"))
    op.execute("DROP INDEX fieldlab.break_glass_newest")
    op.execute(_RIGHTS)
