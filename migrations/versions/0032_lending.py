"""Owners lend their own machines, and tenants give them back, without the operator; each within what is its own.

The home owner of a machine gives away its own time and takes back what has not come yet; whoever has booked it gives
back what it has booked. What was measured under another's booking nobody moves but who administers the lab.
"""

from pathlib import Path

from alembic import op

revision = "0032"
down_revision = "0031"

LENDING = """
CREATE FUNCTION fieldlab.check_lending(of_asset text, lender integer, take_out bigint[], put_in jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    home integer := (SELECT a.home_owner_id FROM fieldlab.asset AS a WHERE a.slug = of_asset);
    of_home text := (SELECT p.slug FROM fieldlab.participant AS p WHERE p.id = home);
BEGIN
    IF NOT EXISTS (
        SELECT FROM fieldlab.asset AS a WHERE a.slug = of_asset AND (a.home_owner_id = lender OR EXISTS (
            SELECT FROM fieldlab.stream AS s JOIN fieldlab.tenure AS t ON t.stream_id = s.id
            WHERE s.asset_id = a.id AND t.owner_id = lender))) THEN
        RAISE EXCEPTION 'there is no such asset' USING ERRCODE = 'no_data_found';
    END IF;
    IF cardinality(take_out) <> (
        SELECT count(*) FROM fieldlab.tenure AS t JOIN fieldlab.stream AS s ON s.id = t.stream_id
        JOIN fieldlab.asset AS a ON a.id = s.asset_id
        WHERE t.id = ANY (take_out) AND a.slug = of_asset AND lender IN (home, t.owner_id)) THEN
        RAISE EXCEPTION 'the tenures have changed since they were read' USING ERRCODE = 'serialization_failure';
    END IF;
    IF EXISTS (
        SELECT FROM (SELECT t.stream_id, range_agg(tstzrange(t.start, t.until)) AS whole
                     FROM fieldlab.tenure AS t WHERE t.id = ANY (take_out) GROUP BY 1) AS gone
        FULL JOIN (SELECT n.stream, range_agg(tstzrange(n.start, n.until)) AS whole
                   FROM jsonb_to_recordset(put_in) AS n (stream integer, start timestamptz, until timestamptz)
                   GROUP BY 1) AS new ON new.stream = gone.stream_id
        WHERE gone.whole IS DISTINCT FROM new.whole) OR cardinality(take_out) = 0 THEN
        RAISE EXCEPTION 'what is taken out and what is put in cover other times'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (
        SELECT FROM fieldlab.tenure AS t
        JOIN fieldlab.participant AS o ON o.id = t.owner_id
        LEFT JOIN fieldlab.trial AS r ON r.id = t.trial_id
        JOIN jsonb_to_recordset(put_in) AS n (stream integer, owner text, trial text, start timestamptz,
                                              until timestamptz, booked boolean)
            ON n.stream = t.stream_id AND n.start < t.until AND t.start < n.until
        WHERE t.id = ANY (take_out) AND (n.owner, n.trial, n.booked) IS DISTINCT FROM (o.slug, r.slug, t.booked)
          AND NOT coalesce(
              (n.booked OR (n.owner = of_home AND n.trial IS NULL))
              AND CASE WHEN lender = home THEN t.owner_id = home OR greatest(n.start, t.start) >= now()
                       ELSE t.owner_id = lender AND NOT n.booked END, false)) THEN
        RAISE EXCEPTION 'that is not the caller''s to give' USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;
COMMENT ON FUNCTION fieldlab.check_lending IS
    'Refuses a change of tenures that a participant may not make: the home owner gives away its own time and takes back
what has not come yet, a tenant gives back what it has booked. Of other assets it tells what it tells of none.';

CREATE FUNCTION fieldlab.with_neighbours(take_out bigint[], put_in jsonb, OUT ids bigint[], OUT tenures jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    WITH new AS (
        SELECT n.*, n.value ->> 'start' AS starts, n.value ->> 'until' AS ends
        FROM jsonb_array_elements(put_in) WITH ORDINALITY AS n (value, place)),
    beside AS (
        SELECT n.place, t.id, t.start, t.until
        FROM new AS n
        JOIN fieldlab.tenure AS t ON t.stream_id = (n.value ->> 'stream')::integer AND NOT t.booked
            AND t.id <> ALL (take_out) AND (t.until = n.starts::timestamptz OR t.start = n.ends::timestamptz)
        JOIN fieldlab.participant AS p ON p.id = t.owner_id AND p.slug = n.value ->> 'owner'
        WHERE NOT (n.value ->> 'booked')::boolean)
    SELECT take_out || ARRAY(SELECT b.id FROM beside AS b),
           coalesce(jsonb_agg(n.value || jsonb_build_object(
               'start', coalesce((SELECT min(b.start) FROM beside AS b
                                  WHERE b.place = n.place AND b.start < n.starts::timestamptz), n.starts::timestamptz),
               'until', coalesce((SELECT max(b.until) FROM beside AS b
                                  WHERE b.place = n.place AND b.until > n.ends::timestamptz), n.ends::timestamptz))
               ORDER BY n.place), '[]')
    FROM new AS n
$$;
COMMENT ON FUNCTION fieldlab.with_neighbours IS
    'A change of tenures in which time given back is one with the home owner''s time beside it.';

CREATE OR REPLACE FUNCTION visible.amend_tenures(of_asset text, by_kind text, take_out bigint[], put_in jsonb,
                                                 why text DEFAULT '') RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    administers boolean := fieldlab.bound_with('lab:admin') IS NOT NULL;
    lender integer := fieldlab.bound_with('tenures:write');
BEGIN
    IF NOT administers AND lender IS NULL THEN
        RAISE EXCEPTION 'only lab:admin and tenures:write amend tenures' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT administers THEN
        PERFORM fieldlab.check_lending(of_asset, lender, take_out, put_in);
        SELECT ids, tenures INTO take_out, put_in FROM fieldlab.with_neighbours(take_out, put_in);
    END IF;
    PERFORM fieldlab.amend_tenures(of_asset, by_kind, take_out, put_in, (fieldlab.bound()).principal, why);
END $$;
COMMENT ON FUNCTION visible.amend_tenures IS
    'fieldlab.amend_tenures, for whoever administers the lab, and for participants within what is theirs to give.';
"""

SEEN = """
CREATE OR REPLACE FUNCTION fieldlab.seen_tenures()
RETURNS TABLE (id bigint, stream integer, asset text, stream_name text, owner text, trial text, start timestamptz,
               until timestamptz, booked boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_participant();
    lender integer := fieldlab.bound_with('tenures:write');
    administers boolean := fieldlab.bound_with('lab:admin') IS NOT NULL;
BEGIN
    RETURN QUERY
    SELECT t.id, t.stream_id, a.slug, s.name, o.slug, r.slug, t.start, t.until, t.booked
    FROM fieldlab.tenure AS t
    JOIN fieldlab.stream AS s ON s.id = t.stream_id
    JOIN fieldlab.asset AS a ON a.id = s.asset_id
    JOIN fieldlab.participant AS o ON o.id = t.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = t.trial_id
    WHERE administers OR t.owner_id = reader OR a.home_owner_id = lender;
END $$;

CREATE OR REPLACE FUNCTION visible.tenure_events(of_asset text, before bigint, at_most integer)
RETURNS TABLE (id bigint, at timestamptz, kind text, principal text, reason text, removed jsonb, added jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_participant();
    administers boolean := fieldlab.bound_with('lab:admin') IS NOT NULL;
    whole boolean := administers OR EXISTS (
        SELECT FROM fieldlab.asset AS a
        WHERE a.slug = of_asset AND a.home_owner_id = fieldlab.bound_with('tenures:write'));
BEGIN
    RETURN QUERY
    SELECT * FROM (
        SELECT e.id, e.at, e.kind, CASE WHEN administers THEN e.principal END, CASE WHEN administers THEN e.reason END,
               fieldlab.shown_tenures(e.removed, CASE WHEN NOT whole THEN reader END) AS removed,
               fieldlab.shown_tenures(e.added, CASE WHEN NOT whole THEN reader END) AS added
        FROM fieldlab.tenure_event AS e JOIN fieldlab.asset AS a ON a.id = e.asset_id
        WHERE a.slug = of_asset AND e.id < before AND reader IS NOT NULL) AS h
    WHERE whole OR h.removed <> '[]' OR h.added <> '[]'
    ORDER BY h.id DESC LIMIT at_most;
END $$;
COMMENT ON FUNCTION visible.tenure_events IS
    'What changed in the tenures of an asset, newest first: a participant''s own part of it; all for the home owner who
may lend it, and for who administers.';

REVOKE ALL ON FUNCTION fieldlab.check_lending, fieldlab.with_neighbours FROM PUBLIC;
"""

_EARLIER = Path(__file__).with_name("0032_earlier.sql")
"""The functions as they were when the operator alone changed tenures."""


def upgrade() -> None:
    op.execute(LENDING)
    op.execute(SEEN)


def downgrade() -> None:
    op.execute(_EARLIER.read_text(encoding="utf-8"))
    op.execute("DROP FUNCTION fieldlab.with_neighbours, fieldlab.check_lending")
