"""No rows without an entry: what gives measurements looks for the request's entry in the access ledger first.

Noting an access names its entry to the transaction; a later transaction of the same answer names it again. The name
proves nothing: the entry itself is looked up, and rows are given of the stretches that it tells of alone.
"""

from pathlib import Path
from typing import Final

from alembic import op

revision = "0042"
down_revision = "0041"

EARLIER: Final = Path(__file__).with_name("0042_unnoted.sql")
"""The functions as they were."""

NUMBERED = """
ALTER TABLE fieldlab.access ADD number bigint GENERATED ALWAYS AS IDENTITY;
COMMENT ON COLUMN fieldlab.access.number IS
    'Taken when the access is noted and never given back: a number that is missing was noted, and undone.';
"""

ENTRY = """
CREATE OR REPLACE FUNCTION visible.note_access(of uuid, of_kind text, asked jsonb, stated text, of_streams integer[],
                                               of_tenures bigint[], since timestamptz[], before timestamptz[],
                                               under uuid[], counts bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader fieldlab.credential := fieldlab.bound();
    owned_by integer[];
BEGIN
    IF reader.id IS NULL THEN
        RAISE EXCEPTION 'nobody is bound' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF cardinality(of_tenures) = 1 THEN
        owned_by := ARRAY[(SELECT t.owner_id FROM fieldlab.tenure AS t
                           WHERE t.id = of_tenures[1] AND t.stream_id = of_streams[1]
                             AND (of_kind = 'live' OR t.start <= since[1] AND t.until >= before[1]))];
    ELSE
        owned_by := ARRAY(SELECT t.owner_id
                          FROM unnest(of_tenures, of_streams, since, before) WITH ORDINALITY
                              AS s (id, stream, start, until, place)
                          LEFT JOIN fieldlab.tenure AS t ON t.id = s.id AND t.stream_id = s.stream
                              AND (of_kind = 'live' OR t.start <= s.start AND t.until >= s.until) ORDER BY s.place);
    END IF;
    INSERT INTO fieldlab.access (id, participant_id, credential_id, principal, kind, question, purpose, running,
                                 streams, tenures, owners, starts, untils, agreements, rows)
    VALUES (of, reader.participant_id, reader.id, reader.principal, of_kind, asked, left(stated, 200), counts IS NULL,
            of_streams, of_tenures, owned_by, since, before, under, counts);
    INSERT INTO fieldlab.ledger_waiting (kind, access_id) VALUES ('access', of);
    PERFORM set_config('fieldlab.access', of::text, true);
END $$;
COMMENT ON FUNCTION visible.note_access IS
    'Writes the entry of a request, in the name of whom the transaction is bound to, with one place in each array a
segment, and names it to the transaction. Each segment lies within its tenure, whose owner is found here (what is
followed live may have been cut since). Without counts the answer is running and ends with end_accesses.';

CREATE FUNCTION fieldlab.noted(reader integer) RETURNS fieldlab.access
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named text := current_setting('fieldlab.access', true);
    found fieldlab.access;
BEGIN
    IF reader IS NULL THEN
        RETURN NULL;
    END IF;
    IF named ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        SELECT * INTO found FROM fieldlab.access AS a
        WHERE a.id = named::uuid AND a.participant_id = reader AND (
            a.at = now() OR a.running AND NOT EXISTS (SELECT FROM fieldlab.access_end AS e WHERE e.access_id = a.id));
    END IF;
    IF found.id IS NULL THEN
        RAISE EXCEPTION 'the access is not in the ledger; note it first' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN found;
END $$;
COMMENT ON FUNCTION fieldlab.noted IS
    'The entry of the request that this transaction reads for: written in it, or running. The setting only names it.';

CREATE FUNCTION fieldlab.tells(entry fieldlab.access, streams integer[], starts timestamptz[], untils timestamptz[],
                               under uuid[]) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce(array_lower(streams, 1), 1) = 1 AND entry.streams = streams AND entry.starts = starts
       AND entry.untils = untils
       AND CASE WHEN entry.agreements IS NULL THEN coalesce(array_remove(under, NULL), '{}') = '{}'
                ELSE entry.agreements = under END;
END $$;
COMMENT ON FUNCTION fieldlab.tells IS 'Whether an entry tells of these very stretches: the usual case, quickly seen.';
"""

READS = """
CREATE OR REPLACE FUNCTION fieldlab.held(reader integer, numbers integer[], streams integer[], tenures bigint[],
                                         starts timestamptz[], untils timestamptz[], under uuid[])
RETURNS TABLE (place bigint, number integer, stream integer, start timestamptz, until timestamptz, reach timestamptz,
               resolution_floor bigint, minimum_samples integer, allowed text[])
LANGUAGE plpgsql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    entry fieldlab.access := fieldlab.noted(reader);
BEGIN
    IF fieldlab.tells(entry, streams, starts, untils, under) THEN
        RETURN QUERY
        SELECT s.place, s.number, s.stream, greatest(e.start, s.start), least(e.until, s.until), e.start,
               e.resolution_floor, e.minimum_samples, e.aggregates
        FROM unnest(numbers, streams, tenures, starts, untils) WITH ORDINALITY
            AS s (number, stream, tenure, start, until, place)
        JOIN fieldlab.permitted AS e ON e.reader_id = reader AND e.tenure_id = s.tenure AND e.stream_id = s.stream
            AND e.agreement_id IS NOT DISTINCT FROM under[s.place]
        WHERE greatest(e.start, s.start) < least(e.until, s.until);
    ELSE
        RETURN QUERY
        SELECT s.place, s.number, s.stream, greatest(e.start, s.start), least(e.until, s.until), e.start,
               e.resolution_floor, e.minimum_samples, e.aggregates
        FROM unnest(numbers, streams, tenures, starts, untils) WITH ORDINALITY
            AS s (number, stream, tenure, start, until, place)
        JOIN fieldlab.permitted AS e ON e.reader_id = reader AND e.tenure_id = s.tenure AND e.stream_id = s.stream
            AND e.agreement_id IS NOT DISTINCT FROM under[s.place]
        WHERE greatest(e.start, s.start) < least(e.until, s.until) AND EXISTS (
            SELECT FROM unnest(entry.streams, entry.starts, entry.untils, entry.agreements)
                AS n (stream, start, until, agreement)
            WHERE n.stream = s.stream AND n.start <= greatest(e.start, s.start) AND n.until >= least(e.until, s.until)
              AND n.agreement IS NOT DISTINCT FROM e.agreement_id);
    END IF;
END $$;
COMMENT ON FUNCTION fieldlab.held IS
    'What of these stretches the reader has under the agreement of the same place (NULL: as its own), with the terms,
and the beginning of the right itself; only stretches that the entry of the request tells of.';

CREATE OR REPLACE FUNCTION visible.packed_samples(numbers integer[], streams integer[], starts timestamptz[],
                                                  untils timestamptz[], under uuid[], good_only boolean,
                                                  with_text boolean, at_most integer)
RETURNS TABLE (number integer, held boolean, samples integer, times bytea, readings bytea, marks bytea, texts text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    entry fieldlab.access := fieldlab.noted(reader);
    wanted bigint := at_most;
    permitted_until timestamptz;
    noted_until timestamptz[] := untils;
BEGIN
    IF NOT fieldlab.tells(entry, streams, starts, untils, under) THEN
        noted_until := ARRAY(
            SELECT max(n.until)
            FROM unnest(streams, starts, under) WITH ORDINALITY AS s (stream, start, agreement, place)
            LEFT JOIN unnest(entry.streams, entry.starts, entry.untils, entry.agreements)
                AS n (stream, start, until, agreement)
                ON n.stream = s.stream AND n.start <= s.start AND n.until > s.start
                AND n.agreement IS NOT DISTINCT FROM s.agreement
            GROUP BY s.place ORDER BY s.place);
    END IF;
    FOR place IN 1 .. coalesce(cardinality(numbers), 0) LOOP
        number := numbers[place];
        permitted_until := fieldlab.held_until(reader, streams[place], starts[place], under[place], true);
        held := coalesce(permitted_until >= least(untils[place], now()), false) AND noted_until[place] IS NOT NULL;
        IF NOT held THEN
            samples := 0;
            times := NULL;
            readings := NULL;
            marks := NULL;
            texts := NULL;
            RETURN NEXT;
            RETURN;
        END IF;
        SELECT count(*), string_agg(timestamptz_send(m.time), ''), string_agg(float8send(coalesce(m.value, 'NaN')), ''),
               string_agg(int4send((m.value IS NULL)::integer << 24 | (m.origin & 255) << 16 | (m.status & 65535)), ''),
               array_agg(m.text) FILTER (WHERE with_text)
        INTO samples, times, readings, marks, texts
        FROM (SELECT n.time, n.value, n.text, n.status, n.origin FROM fieldlab.measurement AS n
              WHERE n.stream_id = streams[place] AND n.time >= starts[place]
                AND n.time < least(untils[place], permitted_until, noted_until[place])
                AND (n.status = 0 OR NOT good_only)
              ORDER BY n.time LIMIT wanted) AS m;
        RETURN NEXT;
        wanted := wanted - samples;
        EXIT WHEN wanted <= 0;
    END LOOP;
END $$;
COMMENT ON FUNCTION visible.packed_samples IS
    'The samples of numbered stretches [start, until), in their order and by time, at most so many; each stretch is the
reader''s own or under the agreement of the same place, not below a floor, and told of in the entry of the request. A
stretch that is not held up to now is told so, and nothing comes after it. Each column is the values in PostgreSQL''s
binary format behind one another: times, readings (NaN where there is none), marks: status, origin << 16, 1 << 24 where
there is no number.';

CREATE OR REPLACE FUNCTION visible.samples(of_stream integer, since timestamptz, before timestamptz, at_most integer,
                                           good_only boolean DEFAULT false, under uuid DEFAULT NULL)
RETURNS TABLE (tenure bigint, "time" timestamptz, value double precision, text text, status smallint, origin smallint)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 10000 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    entry fieldlab.access := fieldlab.noted(reader);
    right_held record;
    found bigint;
    wanted bigint := at_most;
BEGIN
    FOR right_held IN
        SELECT e.tenure_id, greatest(e.start, since, n.start) AS start, least(e.until, before, n.until) AS until
        FROM fieldlab.permitted AS e
        JOIN unnest(entry.streams, entry.starts, entry.untils, entry.agreements)
            AS n (stream, start, until, agreement)
            ON n.stream = e.stream_id AND n.start < e.until AND n.until > e.start
            AND n.agreement IS NOT DISTINCT FROM e.agreement_id
        WHERE e.reader_id = reader AND e.stream_id = of_stream AND e.start < before AND e.until > since
          AND e.agreement_id IS NOT DISTINCT FROM under AND e.resolution_floor IS NULL
        ORDER BY 2
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

CREATE OR REPLACE FUNCTION visible.latest(of_streams integer[], under uuid[] DEFAULT '{}')
RETURNS TABLE (stream integer, tenure bigint, owner text, trial text, basis text, "time" timestamptz,
               value double precision, text text, status smallint, origin smallint, agreement uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    entry fieldlab.access := fieldlab.noted(reader);
BEGIN
    IF coalesce(cardinality(under), 0) = 0 THEN
        RETURN QUERY
        SELECT l.* FROM fieldlab.latest_of(reader, of_streams) AS l WHERE EXISTS (
            SELECT FROM unnest(entry.streams, entry.starts, entry.untils, entry.agreements)
                AS n (stream, start, until, agreement)
            WHERE n.stream = l.stream AND l.time >= n.start AND l.time < n.until AND n.agreement IS NULL);
        RETURN;
    END IF;
    RETURN QUERY
    SELECT l.stream_id, l.tenure_id, o.slug, r.slug, l.basis, l.time, l.value, l.text, l.status, l.origin,
           l.agreement_id
    FROM unnest(of_streams) AS wanted CROSS JOIN LATERAL (
        SELECT e.stream_id, e.tenure_id, e.owner_id, e.trial_id, e.basis, e.agreement_id, m.time, m.value, m.text,
               m.status, m.origin
        FROM unnest(entry.streams, entry.starts, entry.untils, entry.agreements)
            AS n (stream, start, until, agreement)
        JOIN fieldlab.permitted AS e ON e.reader_id = reader AND e.stream_id = n.stream
            AND e.agreement_id IS NOT DISTINCT FROM n.agreement AND e.start < n.until AND e.until > n.start
        CROSS JOIN LATERAL (
            SELECT * FROM fieldlab.measurement AS k
            WHERE k.stream_id = e.stream_id AND k.time >= greatest(e.start, n.start)
              AND k.time < least(e.until, n.until)
            ORDER BY k.time DESC LIMIT 1) AS m
        WHERE n.stream = wanted AND e.resolution_floor IS NULL
          AND (e.basis = 'own' OR e.basis <> 'preview' AND e.agreement_id = ANY (under))
        ORDER BY m.time DESC, array_position(under, e.agreement_id) LIMIT 1) AS l
    JOIN fieldlab.participant AS o ON o.id = l.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id;
END $$;
COMMENT ON FUNCTION visible.latest IS
    'The newest sample of each stream that the reader may see, as its own or under these agreements, within what the
entry of the request tells of.';

CREATE OR REPLACE FUNCTION visible.in_force(of_streams integer[], at timestamptz, good_only boolean DEFAULT false,
                                            under uuid[] DEFAULT '{}')
RETURNS TABLE (stream integer, tenure bigint, owner text, trial text, basis text, "time" timestamptz,
               value double precision, text text, status smallint, origin smallint, agreement uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    entry fieldlab.access := fieldlab.noted(reader);
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
          AND e.resolution_floor IS NULL AND (e.agreement_id = ANY (under) OR e.basis = 'own' AND NOT EXISTS (
              SELECT FROM fieldlab.agreement AS a WHERE a.id = ANY (under) AND a.owner_id = reader))
          AND EXISTS (
              SELECT FROM unnest(entry.streams, entry.starts, entry.untils, entry.agreements)
                  AS k (stream, start, until, agreement)
              WHERE k.stream = e.stream_id AND k.start <= at AND k.until > at
                AND k.agreement IS NOT DISTINCT FROM e.agreement_id)
        ORDER BY m.time DESC, array_position(under, e.agreement_id) LIMIT 1) AS l
    JOIN fieldlab.participant AS o ON o.id = l.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id
    ORDER BY wanted.place;
END $$;
"""

RIGHTS = """
REVOKE ALL ON FUNCTION fieldlab.noted, fieldlab.tells FROM PUBLIC;
"""


def upgrade() -> None:
    for part in (NUMBERED, ENTRY, READS, RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute(EARLIER.read_text(encoding="utf-8"))
    op.execute("DROP FUNCTION fieldlab.tells, fieldlab.noted")
    op.execute("ALTER TABLE fieldlab.access DROP number")
