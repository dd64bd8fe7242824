"""Tenure's further operations: extensions, corrections with what had been served before them, and single streams."""

from pathlib import Path

from alembic import op

revision = "0018"
down_revision = "0017"

EVENTS = """
ALTER TABLE fieldlab.tenure_event DROP CONSTRAINT tenure_event_kind_check;
ALTER TABLE fieldlab.tenure_event ADD CONSTRAINT tenure_event_kind_check
    CHECK (kind IN ('hand_over', 'return', 'extend', 'correct'));
ALTER TABLE fieldlab.tenure_event ADD COLUMN reason text NOT NULL DEFAULT '';
ALTER TABLE fieldlab.tenure_event ALTER COLUMN reason SET STATISTICS 0, ALTER COLUMN principal SET STATISTICS 0;
"""

AMEND = """
CREATE FUNCTION fieldlab.check_amendment(kind text, before jsonb, after jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone jsonb;
    kept jsonb;
BEGIN
    IF kind = 'correct' THEN
        RETURN;
    END IF;
    FOR gone IN SELECT * FROM jsonb_array_elements(before) AS b WHERE (b ->> 'booked')::boolean LOOP
        SELECT a INTO kept FROM jsonb_array_elements(after) AS a
        WHERE a - 'until' = gone - 'until'
          AND CASE kind WHEN 'extend' THEN (a ->> 'until')::timestamptz > (gone ->> 'until')::timestamptz
                        WHEN 'return' THEN (a ->> 'until')::timestamptz < (gone ->> 'until')::timestamptz
                        ELSE false END;
        IF kept IS NULL THEN
            RAISE EXCEPTION 'only a correction takes what is booked' USING ERRCODE = 'exclusion_violation';
        END IF;
    END LOOP;
    IF kind IN ('extend', 'return') AND EXISTS (
        SELECT FROM jsonb_array_elements(after) AS a
        WHERE (a ->> 'booked')::boolean AND NOT EXISTS (
            SELECT FROM jsonb_array_elements(before) AS b WHERE b - 'until' = a - 'until')) THEN
        RAISE EXCEPTION 'that makes a booking; use a hand-over' USING ERRCODE = 'exclusion_violation';
    END IF;
END $$;
COMMENT ON FUNCTION fieldlab.check_amendment IS
    'Refuses a change of tenures that its kind does not allow: only a correction takes from a booking what is before its
end, or all of it.';

CREATE FUNCTION fieldlab.note_correction(of_asset integer, before jsonb, after jsonb, why text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    moved record;
    served record;
BEGIN
    FOR moved IN
        SELECT b.owner_id AS loser, a.owner_id AS gainer, greatest(a.start, b.start) AS start,
               least(a.until, b.until) AS until, array_agg(a.stream_id ORDER BY a.stream_id) AS streams
        FROM jsonb_to_recordset(before) AS b (stream_id integer, owner_id integer, start timestamptz, until timestamptz)
        JOIN jsonb_to_recordset(after) AS a (stream_id integer, owner_id integer, start timestamptz, until timestamptz)
            ON a.stream_id = b.stream_id AND a.owner_id <> b.owner_id AND a.start < b.until AND b.start < a.until
        GROUP BY 1, 2, 3, 4 ORDER BY 3, 4
    LOOP
        PERFORM fieldlab.note_notice(who.id, NULL, jsonb_build_object(
            'kind', 'corrected', 'yours', who.id = moved.gainer, 'reason', why,
            'from', fieldlab.rfc3339(moved.start), 'until', fieldlab.rfc3339(moved.until),
            'streams', (SELECT jsonb_agg(a.slug || '.' || s.name ORDER BY s.name) FROM fieldlab.stream AS s
                        JOIN fieldlab.asset AS a ON a.id = s.asset_id WHERE s.id = ANY (moved.streams))))
        FROM unnest(ARRAY[moved.loser, moved.gainer]) AS who (id);
        FOR served IN
            SELECT a.id, a.at, p.slug, a.principal, a.participant_id, a.kind,
                   jsonb_agg(jsonb_build_object(
                       'stream', m.slug || '.' || t.name, 'rows', g.counted,
                       'from', fieldlab.rfc3339(greatest(g.start, moved.start)),
                       'until', fieldlab.rfc3339(least(g.until, moved.until))) ORDER BY g.start, t.name) AS parts
            FROM fieldlab.access AS a
            LEFT JOIN fieldlab.access_end AS e ON e.access_id = a.id
            JOIN fieldlab.participant AS p ON p.id = a.participant_id
            CROSS JOIN LATERAL unnest(a.streams, a.owners, a.starts, a.untils, coalesce(a.rows, e.rows))
                AS g (stream, owner, start, until, counted)
            JOIN fieldlab.stream AS t ON t.id = g.stream
            JOIN fieldlab.asset AS m ON m.id = t.asset_id
            WHERE a.participant_id <> moved.gainer AND a.streams && moved.streams AND g.stream = ANY (moved.streams)
              AND g.owner <> moved.gainer AND g.start < moved.until AND g.until > moved.start
            GROUP BY a.id, p.slug ORDER BY a.at
        LOOP
            PERFORM fieldlab.note_notice(moved.gainer, served.participant_id, jsonb_build_object(
                'kind', 'served_before_correction', 'of', served.id, 'read_at', fieldlab.rfc3339(served.at),
                'participant', served.slug, 'principal', served.principal, 'answer', served.kind,
                'segments', served.parts));
        END LOOP;
    END LOOP;
END $$;
COMMENT ON FUNCTION fieldlab.note_correction IS
    'Tells in the ledger who lost and who gained time, and the rightful owner of each answer that was served before.';

CREATE FUNCTION fieldlab.amend_tenures(of_asset text, by_kind text, take_out bigint[], put_in jsonb, by_principal text,
                                       why text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    amended integer := (SELECT id FROM fieldlab.asset WHERE slug = of_asset);
    before jsonb;
    after jsonb;
BEGIN
    WITH gone AS (
        DELETE FROM fieldlab.tenure AS t USING fieldlab.stream AS s
        WHERE t.id = ANY (take_out) AND s.id = t.stream_id AND s.asset_id = amended
        RETURNING t.stream_id, t.owner_id, t.trial_id, t.start, t.until, t.booked)
    SELECT coalesce(jsonb_agg(to_jsonb(gone)), '[]') INTO before FROM gone;
    IF jsonb_array_length(before) IS DISTINCT FROM cardinality(take_out) THEN
        RAISE EXCEPTION 'the tenures have changed since they were read' USING ERRCODE = 'serialization_failure';
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
    PERFORM fieldlab.check_amendment(by_kind, before, after);
    INSERT INTO fieldlab.tenure_event (asset_id, principal, kind, removed, added, reason)
    VALUES (amended, by_principal, by_kind, before, after, left(why, 1000));
    IF by_kind = 'correct' THEN
        PERFORM fieldlab.note_correction(amended, before, after, left(why, 1000));
    END IF;
END $$;
COMMENT ON FUNCTION fieldlab.amend_tenures IS
    'Replaces tenures of one asset, appends the event, and tells of a correction; the constraints refuse a hole or an
overlap at commit.';

DROP FUNCTION visible.amend_tenures(text, text, bigint[], jsonb);
CREATE FUNCTION visible.amend_tenures(of_asset text, by_kind text, take_out bigint[], put_in jsonb,
                                      why text DEFAULT '') RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NULL THEN
        RAISE EXCEPTION 'only lab:admin amends tenures' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM fieldlab.amend_tenures(of_asset, by_kind, take_out, put_in, (fieldlab.bound()).principal, why);
END $$;
COMMENT ON FUNCTION visible.amend_tenures IS 'fieldlab.amend_tenures, for whoever administers the lab.';
"""

HISTORY = """
CREATE FUNCTION fieldlab.shown_tenures(tenures jsonb, of_owner integer) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'stream', s.name, 'owner', p.slug, 'trial', r.slug,
               'from', coalesce(fieldlab.rfc3339(t.start), '-infinity'),
               'until', coalesce(fieldlab.rfc3339(t.until), 'infinity'), 'booked', t.booked)
               ORDER BY s.name, t.start), '[]')
    FROM jsonb_to_recordset(tenures) AS t (stream_id integer, owner_id integer, trial_id integer, start timestamptz,
                                           until timestamptz, booked boolean)
    JOIN fieldlab.stream AS s ON s.id = t.stream_id
    JOIN fieldlab.participant AS p ON p.id = t.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = t.trial_id
    WHERE of_owner IS NULL OR t.owner_id = of_owner
$$;
COMMENT ON FUNCTION fieldlab.shown_tenures IS 'Tenures of the history in words; of one owner alone if it is given.';

CREATE FUNCTION visible.tenure_events(of_asset text, before bigint, at_most integer)
RETURNS TABLE (id bigint, at timestamptz, kind text, principal text, reason text, removed jsonb, added jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_participant();
    administers boolean := fieldlab.bound_with('lab:admin') IS NOT NULL;
BEGIN
    RETURN QUERY
    SELECT * FROM (
        SELECT e.id, e.at, e.kind, CASE WHEN administers THEN e.principal END, CASE WHEN administers THEN e.reason END,
               fieldlab.shown_tenures(e.removed, CASE WHEN NOT administers THEN reader END) AS removed,
               fieldlab.shown_tenures(e.added, CASE WHEN NOT administers THEN reader END) AS added
        FROM fieldlab.tenure_event AS e JOIN fieldlab.asset AS a ON a.id = e.asset_id
        WHERE a.slug = of_asset AND e.id < before AND reader IS NOT NULL) AS h
    WHERE administers OR h.removed <> '[]' OR h.added <> '[]'
    ORDER BY h.id DESC LIMIT at_most;
END $$;
COMMENT ON FUNCTION visible.tenure_events IS
    'What changed in the tenures of an asset, newest first: a participant''s own part of it, all for who administers.';
"""

TIMELINE = """
CREATE OR REPLACE FUNCTION fieldlab.open_timeline() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO fieldlab.tenure (stream_id, owner_id, trial_id, start, until, booked)
    WITH others AS (
        SELECT t.* FROM fieldlab.tenure AS t JOIN fieldlab.stream AS s ON s.id = t.stream_id
        WHERE s.asset_id = NEW.asset_id AND s.id <> NEW.id),
    piece AS (
        SELECT b.start, lead(b.start, 1, 'infinity') OVER (ORDER BY b.start) AS until
        FROM (SELECT start FROM others UNION SELECT '-infinity') AS b),
    owned AS (
        SELECT p.start, p.until, min(o.owner_id) AS owner_id, min(o.trial_id) AS trial_id,
               coalesce(bool_or(o.booked), false) AS booked,
               count(o.owner_id) > 0 AND count(DISTINCT (o.owner_id, o.trial_id, o.booked)) = 1 AS agreed
        FROM piece AS p LEFT JOIN others AS o ON o.start <= p.start AND o.until > p.start GROUP BY 1, 2),
    settled AS (
        SELECT o.start, o.until, CASE WHEN agreed THEN o.owner_id ELSE a.home_owner_id END AS owner_id,
               CASE WHEN agreed THEN o.trial_id END AS trial_id, agreed AND o.booked AS booked
        FROM owned AS o, fieldlab.asset AS a WHERE a.id = NEW.asset_id),
    marked AS (
        SELECT *, (owner_id, trial_id, booked) IS DISTINCT FROM (
                   lag(owner_id) OVER w, lag(trial_id) OVER w, lag(booked) OVER w) AS fresh
        FROM settled WINDOW w AS (ORDER BY start)),
    grouped AS (SELECT *, count(*) FILTER (WHERE fresh) OVER (ORDER BY start) AS run FROM marked)
    SELECT NEW.id, min(owner_id), min(trial_id), min(start), max(until), bool_or(booked) FROM grouped GROUP BY run;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION fieldlab.open_timeline IS
    'Gives a new stream to whoever has all other streams of its asset then, or else to the home owner.';
"""

RIGHTS = """
REVOKE ALL ON FUNCTION fieldlab.check_amendment, fieldlab.note_correction, fieldlab.amend_tenures,
    fieldlab.shown_tenures, visible.amend_tenures, visible.tenure_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.amend_tenures, visible.tenure_events TO fieldlab_api;
"""

DROP = """
DROP FUNCTION visible.tenure_events, visible.amend_tenures;
DROP FUNCTION fieldlab.shown_tenures, fieldlab.amend_tenures, fieldlab.note_correction, fieldlab.check_amendment;
ALTER TABLE fieldlab.tenure_event DROP COLUMN reason;
ALTER TABLE fieldlab.tenure_event DROP CONSTRAINT tenure_event_kind_check;
ALTER TABLE fieldlab.tenure_event ADD CONSTRAINT tenure_event_kind_check CHECK (kind IN ('hand_over', 'return'));
"""

_EARLIER = Path(__file__).with_name("0018_earlier.sql")
"""The functions as they were before there were corrections."""


def upgrade() -> None:
    for part in (EVENTS, AMEND, HISTORY, TIMELINE, RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute(DROP)
    op.execute(_EARLIER.read_text(encoding="utf-8"))
