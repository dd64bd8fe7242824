"""What waits for the ledger is sealed set by set: one statement makes all leaves, and one each level of the tree."""

import re
from importlib import import_module

from alembic import op

revision = "0041"
down_revision = "0040"

_ledger = import_module("migrations.versions.0012_ledger")
_custody = import_module("migrations.versions.0021_custody")


WRITTEN = r"""CASE WHEN isfinite(\1) THEN to_char(\1 AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END"""
"""What `fieldlab.rfc3339` gives, in place: a function with a search path of its own is called for each value."""

SEALING = """
CREATE OR REPLACE FUNCTION visible.seal_ledger(at_most integer DEFAULT 10000, patience interval DEFAULT '5 seconds')
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was bigint;
    grown bigint;
    height smallint := 0;
BEGIN
    LOCK TABLE fieldlab.ledger_checkpoint IN SHARE ROW EXCLUSIVE MODE;
    SELECT coalesce(max(size), 0) INTO was FROM fieldlab.ledger_checkpoint;
    WITH gone AS MATERIALIZED (
        DELETE FROM fieldlab.ledger_waiting
        WHERE id IN (
            SELECT w.id FROM fieldlab.ledger_waiting AS w
            WHERE w.kind <> 'access' OR NOT EXISTS (
                SELECT FROM fieldlab.access AS a
                WHERE a.id = w.access_id AND a.running AND a.at > clock_timestamp() - patience
                  AND NOT EXISTS (SELECT FROM fieldlab.access_end AS e WHERE e.access_id = a.id))
            ORDER BY w.id LIMIT least(at_most, 10000))
        RETURNING *
    ),
    ending AS MATERIALIZED (
        SELECT g.* FROM gone AS g LEFT JOIN gone AS o ON o.kind = 'access' AND o.access_id = g.access_id
        WHERE g.kind = 'end' AND o.id IS NULL
    ),
    telling AS (
        SELECT * FROM gone WHERE kind = 'access'
        UNION ALL
        SELECT * FROM ending WHERE NOT fieldlab.told_of_end(access_id)
    ),
    noted AS MATERIALIZED (
        SELECT g.id AS entry, a.id, a.participant_id, a.streams, a.owners, a.starts, a.untils, a.agreements,
               CASE g.kind WHEN 'end' THEN e.rows ELSE coalesce(a.rows, e.rows) END AS counts,
               jsonb_strip_nulls(jsonb_build_object(
                   'access', a.id, 'at', @a.at@, 'kind', a.kind, 'participant', p.slug,
                   'outcome', CASE WHEN NOT a.running THEN 'answered' ELSE coalesce(e.outcome, 'running') END,
                   'ended', @e.at@, 'reason', nullif(e.reason, ''))
                   || CASE g.kind WHEN 'end' THEN '{}' ELSE jsonb_build_object(
                          'principal', a.principal, 'credential', a.credential_id, 'purpose', a.purpose) END) AS head,
               CASE g.kind WHEN 'end' THEN '{}'::jsonb
                           ELSE jsonb_strip_nulls(jsonb_build_object('question', a.question)) END AS question
        FROM telling AS g
        JOIN fieldlab.access AS a ON a.id = g.access_id
        JOIN fieldlab.participant AS p ON p.id = a.participant_id
        LEFT JOIN fieldlab.access_end AS e ON e.access_id = a.id
    ),
    part AS MATERIALIZED (
        SELECT s.entry, s.owner, sum(s.counted) AS total, jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                   'owner', o.slug,
                   'basis', CASE WHEN s.agreement IS NULL THEN 'own' WHEN s.reader = s.owner THEN 'preview'
                                 WHEN EXISTS (SELECT FROM fieldlab.break_glass AS b WHERE b.id = s.agreement)
                                 THEN 'break_glass' ELSE 'agreement' END,
                   'agreement', s.agreement, 'from', @s.start@, 'until', @s.until@,
                   'streams', s.names, 'rows', s.counted)) ORDER BY s.start, s.until, s.agreement, s.names) AS segments
        FROM (
            SELECT n.entry, n.participant_id AS reader, u.owner, u.agreement, u.start, u.until,
                   sum(u.counted) AS counted, array_agg(a.slug || '.' || m.name ORDER BY a.slug, m.name) AS names
            FROM noted AS n
            CROSS JOIN LATERAL unnest(n.streams, n.owners, n.starts, n.untils, n.agreements, n.counts)
                AS u (stream, owner, start, until, agreement, counted)
            JOIN fieldlab.stream AS m ON m.id = u.stream
            JOIN fieldlab.asset AS a ON a.id = m.asset_id
            GROUP BY n.entry, n.participant_id, u.owner, u.agreement, u.start, u.until) AS s
        JOIN fieldlab.participant AS o ON o.id = s.owner
        GROUP BY s.entry, s.owner
    ),
    whole AS MATERIALIZED (
        SELECT entry, sum(total) AS total,
               jsonb_path_query_array(jsonb_agg(segments ORDER BY owner), '$[*][*]') AS segments
        FROM part GROUP BY entry
    ),
    leaf AS (
        SELECT g.id AS entry, 0 AS place, g.audience_id AS audience, g.by_id AS by_whom, NULL::uuid AS access, g.body
        FROM gone AS g WHERE g.kind = 'notice'
        UNION ALL
        SELECT n.entry, 0, n.participant_id, n.participant_id, n.id,
               n.head || n.question || jsonb_strip_nulls(jsonb_build_object('rows', w.total))
                      || jsonb_build_object('segments', coalesce(w.segments, '[]'))
        FROM noted AS n LEFT JOIN whole AS w ON w.entry = n.entry
        UNION ALL
        SELECT n.entry, p.owner, p.owner, n.participant_id, n.id,
               n.head || jsonb_strip_nulls(jsonb_build_object('rows', p.total))
                      || jsonb_build_object('segments', p.segments)
        FROM part AS p JOIN noted AS n ON n.entry = p.entry WHERE p.owner <> n.participant_id
    )
    INSERT INTO fieldlab.ledger_leaf (index, audience_id, by_id, entry, access_id, text)
    SELECT was - 1 + row_number() OVER (ORDER BY entry, place), audience, by_whom, entry, access, body::text FROM leaf;
    SELECT coalesce(max(l.index) + 1, was) INTO grown FROM fieldlab.ledger_leaf AS l WHERE l.index >= was;
    IF grown = was THEN
        RETURN 0;
    END IF;
    INSERT INTO fieldlab.ledger_node (level, index, hash)
    SELECT 0, l.index, sha256('\\x00'::bytea || convert_to(l.text, 'UTF8'))
    FROM fieldlab.ledger_leaf AS l WHERE l.index >= was;
    WHILE was >> (height + 1) < grown >> (height + 1) LOOP
        INSERT INTO fieldlab.ledger_node (level, index, hash)
        SELECT height + 1, p.place, sha256('\\x01'::bytea || l.hash || r.hash)
        FROM generate_series(was >> (height + 1), (grown >> (height + 1)) - 1) AS p (place)
        JOIN fieldlab.ledger_node AS l ON l.level = height AND l.index = 2 * p.place
        JOIN fieldlab.ledger_node AS r ON r.level = height AND r.index = 2 * p.place + 1;
        height := height + 1;
    END LOOP;
    INSERT INTO fieldlab.ledger_checkpoint (size, root) VALUES (grown, fieldlab.ledger_root(grown));
    RETURN grown - was;
END $$;
"""

DROP = """
DROP FUNCTION fieldlab.access_leaves, fieldlab.end_leaves, fieldlab.leaves_of, fieldlab.parts_of, fieldlab.basis_of
"""

_START = _ledger.TEXTS.index("CREATE FUNCTION fieldlab.basis_of")
_SEALING = _ledger.SEALING[: _ledger.SEALING.index("CREATE FUNCTION fieldlab.ledger_root")]


def upgrade() -> None:
    op.execute(re.sub("@([^@]+)@", WRITTEN, SEALING))
    op.execute(DROP)


def downgrade() -> None:
    op.execute(_ledger.TEXTS[_START:])
    start = _custody.GLASS.index("CREATE OR REPLACE FUNCTION fieldlab.basis_of")
    op.execute(_custody.GLASS[start : _custody.GLASS.index("$$;", start) + len("$$;")])
    op.execute(
        "REVOKE ALL ON FUNCTION fieldlab.access_leaves, fieldlab.end_leaves, fieldlab.leaves_of, fieldlab.parts_of, "
        "fieldlab.basis_of FROM PUBLIC"
    )
    op.execute(_SEALING.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
