"""An erasure reaches what was refused: samples kept together, those without a time, and messages that were not read.

Of samples of several owners that are kept together each erases its own. A message that could not be read belongs to no
stream; it goes with the erasure of all streams that are bound to its topic, if they were one's own when it came.
"""

from alembic import op

from migrations.edit import edit

revision = "0048"
down_revision = "0047"

ERASE = r"""
CREATE FUNCTION fieldlab.erase_rejects(of_stream integer, since timestamptz, before timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found bigint;
    reached bigint;
BEGIN
    DELETE FROM fieldlab.reject AS r
    WHERE r.stream_id = of_stream AND r.samples = 1
      AND coalesce(r.time, r.received_at) >= since AND coalesce(r.time, r.received_at) < before;
    GET DIAGNOSTICS reached = ROW_COUNT;
    WITH line AS MATERIALIZED (
        SELECT r.id, r.received_at, l.text, l.place,
               CAST(substring(l.text FROM '^{"time": "([0-9TZ:.-]+)"') AS timestamptz) AS measured
        FROM fieldlab.reject AS r
        CROSS JOIN LATERAL string_to_table(encode(r.raw, 'escape'), E'\n') WITH ORDINALITY AS l (text, place)
        WHERE r.stream_id = of_stream AND r.samples > 1),
    part AS (
        SELECT k.id, count(*) FILTER (WHERE k.measured >= since AND k.measured < before) AS gone,
               string_agg(k.text, E'\n' ORDER BY k.place)
                   FILTER (WHERE k.measured < since OR k.measured >= before) AS kept,
               min(k.measured) FILTER (WHERE k.measured < since OR k.measured >= before) AS earliest,
               count(*) FILTER (WHERE k.measured < since OR k.measured >= before) AS left_over,
               bool_and(k.measured IS NULL) AND min(k.received_at) >= since AND min(k.received_at) < before AS unread
        FROM line AS k GROUP BY k.id),
    cut AS (
        UPDATE fieldlab.reject AS r
        SET raw = decode(p.kept, 'escape'), samples = p.left_over, time = p.earliest
        FROM part AS p WHERE p.id = r.id AND p.gone > 0 AND p.left_over > 0 RETURNING r.id),
    dropped AS (
        DELETE FROM fieldlab.reject AS r USING part AS p
        WHERE p.id = r.id AND (p.unread OR p.gone > 0 AND p.left_over = 0) RETURNING r.id)
    SELECT count(*) INTO found FROM (SELECT id FROM cut UNION ALL SELECT id FROM dropped) AS touched;
    RETURN reached + found;
END $$;
COMMENT ON FUNCTION fieldlab.erase_rejects IS
    'Erases what was refused of a stream in a stretch, and gives how many rejects that reached; samples of another time
that are kept with some of it stay, fragments whose time cannot be read do not.';

CREATE FUNCTION fieldlab.erase_unread(of_owner integer, streams integer[], since timestamptz, before timestamptz)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found bigint;
BEGIN
    DELETE FROM fieldlab.reject AS r
    WHERE r.stream_id IS NULL AND r.received_at >= since AND r.received_at < before
      AND EXISTS (SELECT FROM fieldlab.binding AS b
                  WHERE b.source_id = r.source_id AND b.stream_id = ANY (streams)
                    AND r.address IN (b.address, split_part(b.address, '#', 1)))
      AND NOT EXISTS (
          SELECT FROM fieldlab.binding AS b
          WHERE b.source_id = r.source_id AND r.address IN (b.address, split_part(b.address, '#', 1))
            AND NOT (b.stream_id = ANY (streams) AND EXISTS (
                SELECT FROM fieldlab.tenure AS t
                WHERE t.stream_id = b.stream_id AND t.owner_id = of_owner
                  AND t.start <= r.received_at AND t.until > r.received_at)));
    GET DIAGNOSTICS found = ROW_COUNT;
    RETURN found;
END $$;
COMMENT ON FUNCTION fieldlab.erase_unread IS
    'Erases messages that could not be read where all streams that are bound to their topic are among these, and were
this owner''s when they came; gives how many.';
REVOKE ALL ON FUNCTION fieldlab.erase_rejects, fieldlab.erase_unread FROM PUBLIC;
"""

_EDITS = (
    (
        """        DELETE FROM fieldlab.reject AS r
        WHERE r.stream_id = mine.stream_id AND r.time >= mine.start AND r.time < mine.until;
        GET DIAGNOSTICS found = ROW_COUNT;
        rejects := rejects + found;
""",
        """        rejects := rejects + fieldlab.erase_rejects(mine.stream_id, mine.start, mine.until);
""",
    ),
    (
        """    SELECT array_agg(DISTINCT e ORDER BY e) INTO erased FROM unnest(erased) AS e;
""",
        """    SELECT array_agg(DISTINCT e ORDER BY e) INTO erased FROM unnest(erased) AS e;
    rejects := rejects + fieldlab.erase_unread(who.participant_id, erased, since, before);
""",
    ),
)
_FUNCTION = "visible.erase(text[],text[],timestamptz,timestamptz,text)"


def upgrade() -> None:
    op.execute(ERASE)
    for old, new in _EDITS:
        edit(_FUNCTION, old, new)


def downgrade() -> None:
    for old, new in _EDITS:
        edit(_FUNCTION, new, old)
    op.execute("DROP FUNCTION fieldlab.erase_rejects, fieldlab.erase_unread")
