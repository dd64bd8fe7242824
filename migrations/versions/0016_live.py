"""Following data as it arrives: which rows came with which transaction, and what of them each listener may see.

A moment is a snapshot of the database: what was committed then. Rows are told apart by the transaction that stored
them, so that between two moments nothing is missed and nothing comes twice, in whatever order transactions began, took
their times and ended. Moments leave the database sealed: the numbers in them would tell how much goes on in the lab.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

ARRIVALS = """
CREATE TABLE fieldlab.arrival (
    xid bigint PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    streams integer[] NOT NULL,
    starts timestamptz[] NOT NULL,
    untils timestamptz[] NOT NULL
);
COMMENT ON TABLE fieldlab.arrival IS
    'For each transaction that stored measurements the stretches [start, until] of streams in which they lie; kept for
an hour. A stretch may hold rows of others, too: the transaction that stored a row stands with the row.';
CREATE INDEX ON fieldlab.arrival (at);

CREATE FUNCTION fieldlab.note_arrival(streams integer[], starts timestamptz[], untils timestamptz[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO fieldlab.arrival (xid, streams, starts, untils)
    VALUES (pg_current_xact_id()::text::bigint, streams, starts, untils)
$$;
COMMENT ON FUNCTION fieldlab.note_arrival IS
    'Notes where the rows lie that this transaction stores; they are to be stored by no part that can be undone alone.';

CREATE FUNCTION fieldlab.forget_arrivals() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM fieldlab.arrival WHERE at < now() - interval '1 hour'
$$;
COMMENT ON FUNCTION fieldlab.forget_arrivals IS 'Forgets what arrived more than an hour ago.';
"""

MOMENTS = """
INSERT INTO fieldlab.secret (name, value)
VALUES ('moment', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

CREATE FUNCTION fieldlab.moment_key() RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(s.value || convert_to(c.system_identifier || ' ' || d.oid, 'UTF8'))
    FROM fieldlab.secret AS s, pg_control_system() AS c, pg_database AS d
    WHERE s.name = 'moment' AND d.datname = current_database()
$$;
COMMENT ON FUNCTION fieldlab.moment_key IS
    'The key that seals moments; of this very database, since in a restored copy transactions are counted anew.';

CREATE FUNCTION fieldlab.masked(message bytea, nonce bytea, key bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mask bytea := '';
    made bytea := message;
BEGIN
    FOR block IN 0 .. (length(message) - 1) / 32 LOOP
        mask := mask || sha256(key || sha256(key || nonce || int4send(block)));
    END LOOP;
    FOR at IN 0 .. length(message) - 1 LOOP
        made := set_byte(made, at, get_byte(message, at) # get_byte(mask, at));
    END LOOP;
    RETURN made;
END $$;
COMMENT ON FUNCTION fieldlab.masked IS 'Covers a message with a keystream, or uncovers it.';

CREATE FUNCTION visible.moment() RETURNS bytea
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key bytea := fieldlab.moment_key();
    nonce bytea := uuid_send(gen_random_uuid());
    written bytea := fieldlab.masked(convert_to(
        pg_current_snapshot() || ' ' || extract(epoch FROM transaction_timestamp()), 'UTF8'), nonce, key);
BEGIN
    RETURN nonce || sha256(key || sha256(key || nonce || written)) || written;
END $$;
COMMENT ON FUNCTION visible.moment IS 'What this transaction sees as committed, sealed.';

CREATE FUNCTION fieldlab.opened(moment bytea) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key bytea := fieldlab.moment_key();
    nonce bytea := substr(moment, 1, 16);
    written bytea := substr(moment, 49);
BEGIN
    IF length(moment) > 48 AND substr(moment, 17, 32) = sha256(key || sha256(key || nonce || written)) THEN
        RETURN convert_from(fieldlab.masked(written, nonce, key), 'UTF8');
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION fieldlab.opened IS 'A moment''s snapshot and time; NULL for one that this database did not seal.';

CREATE FUNCTION fieldlab.snapshot_of(moment bytea) RETURNS pg_snapshot
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT split_part(fieldlab.opened(moment), ' ', 1)::pg_snapshot
$$;
COMMENT ON FUNCTION fieldlab.snapshot_of IS 'A moment''s snapshot; NULL for one that this database did not seal.';

CREATE FUNCTION visible.remembers(moment bytea) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(to_timestamp(split_part(fieldlab.opened(moment), ' ', 2)::double precision)
                    > now() - interval '45 minutes', false)
$$;
COMMENT ON FUNCTION visible.remembers IS
    'Whether all that arrived since a moment of this database is still known: until 45 minutes after it.';
"""

LISTENERS = """
CREATE FUNCTION fieldlab.listening(presented bytea[])
RETURNS TABLE (place integer, listener integer, participant_id integer)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.place::integer, min(p.place) OVER (PARTITION BY c.participant_id)::integer, c.participant_id
    FROM unnest(presented) WITH ORDINALITY AS p (digest, place)
    JOIN fieldlab.credential AS c ON c.digest = sha256(p.digest)
    WHERE c.revoked_at IS NULL AND c.expires_at > clock_timestamp() AND 'data:live' = ANY (c.permissions)
$$;
COMMENT ON FUNCTION fieldlab.listening IS
    'Those of the presented credentials that are valid and may follow data, by their places from 1 on; those with equal
rights have one listener, named by the first place.';

CREATE FUNCTION visible.listeners(presented bytea[]) RETURNS TABLE (place integer, listener integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.place, l.listener FROM fieldlab.listening(presented) AS l
$$;
COMMENT ON FUNCTION visible.listeners IS 'Those of the presented credentials that are valid and may follow data.';

CREATE FUNCTION visible.live_rights(presented bytea[], places integer[], of_streams integer[], since timestamptz)
RETURNS TABLE (listener integer, stream integer, start timestamptz, until timestamptz, tenure bigint, owner text,
               trial text, basis text, agreement uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT w.listener, e.stream_id, e.start, e.until, e.tenure_id, o.slug, r.slug, e.basis, e.agreement_id
    FROM (SELECT DISTINCT l.listener, l.participant_id, p.stream
          FROM fieldlab.listening(presented) AS l
          JOIN unnest(places, of_streams) AS p (place, stream) USING (place)) AS w
    JOIN fieldlab.permitted AS e ON e.reader_id = w.participant_id AND e.stream_id = w.stream
    JOIN fieldlab.participant AS o ON o.id = e.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = e.trial_id
    WHERE e.basis <> 'preview' AND (e.until > since OR e.agreement_id IS NOT NULL)
    ORDER BY w.listener, e.stream_id, e.start, e.until, e.agreement_id;
END $$;
COMMENT ON FUNCTION visible.live_rights IS
    'The rights to decide on of those who listen, each credential to the streams of its places: what is their own and
ends after since, and all that agreements open.';

CREATE FUNCTION visible.live_samples(presented bytea[], places integer[], of_streams integer[], since bytea,
                                     before bytea, after_stream integer, after_time timestamptz, at_most integer)
RETURNS TABLE (listener integer, stream integer, tenure bigint, agreement uuid, "time" timestamptz,
               value double precision, text text, status smallint, origin smallint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
    earlier pg_snapshot := fieldlab.snapshot_of(since);
    later pg_snapshot := fieldlab.snapshot_of(before);
    pieces_xid xid[];
    pieces_stream integer[];
    pieces_start timestamptz[];
    pieces_until timestamptz[];
    earliest timestamptz;
    latest timestamptz;
BEGIN
    SELECT array_agg(a.xid::text::xid8::xid), array_agg(p.stream), array_agg(p.start), array_agg(p.until),
           min(p.start), max(p.until)
    INTO pieces_xid, pieces_stream, pieces_start, pieces_until, earliest, latest
    FROM fieldlab.arrival AS a, unnest(a.streams, a.starts, a.untils) AS p (stream, start, until)
    WHERE a.xid >= pg_snapshot_xmin(earlier)::text::bigint
      AND NOT pg_visible_in_snapshot(a.xid::text::xid8, earlier)
      AND pg_visible_in_snapshot(a.xid::text::xid8, later)
      AND p.stream = ANY (of_streams) AND (p.stream, p.until) > (after_stream, after_time);
    IF pieces_xid IS NULL THEN
        RETURN;
    END IF;
    PERFORM set_config('timescaledb.enable_transparent_decompression', 'off', true);
    RETURN QUERY
    SELECT r.listener, m.stream_id, r.tenure_id, r.agreement_id, m.time, m.value, m.text, m.status, m.origin
    FROM (
        SELECT n.stream_id, n.time, n.value, n.text, n.status, n.origin
        FROM unnest(pieces_xid, pieces_stream, pieces_start, pieces_until) AS p (xid, stream, start, until)
        CROSS JOIN LATERAL (
            SELECT * FROM fieldlab.measurement AS n
            WHERE n.stream_id = p.stream AND n.time >= p.start AND n.time <= p.until
              AND n.time >= earliest AND n.time <= latest AND n.xmin = p.xid OFFSET 0) AS n
    ) AS m
    JOIN (
        SELECT w.listener, e.stream_id, e.start, e.until, e.tenure_id, e.agreement_id
        FROM (SELECT DISTINCT l.listener, l.participant_id, p.stream
              FROM fieldlab.listening(presented) AS l
              JOIN unnest(places, of_streams) AS p (place, stream) USING (place)) AS w
        JOIN fieldlab.permitted AS e ON e.reader_id = w.participant_id AND e.stream_id = w.stream
        WHERE e.basis <> 'preview' AND e.resolution_floor IS NULL AND e.until >= earliest AND e.start <= latest
          AND (e.agreement_id IS NULL OR EXISTS (
               SELECT FROM fieldlab.agreement AS a
               WHERE a.id = e.agreement_id AND (a.terms::jsonb #>> '{enforced,live}')::boolean))
        OFFSET 0
    ) AS r ON r.stream_id = m.stream_id AND m.time >= r.start AND m.time < r.until
    WHERE (m.stream_id, m.time) > (after_stream, after_time)
    ORDER BY m.stream_id, m.time FETCH FIRST (at_most) ROWS WITH TIES;
    PERFORM set_config('timescaledb.enable_transparent_decompression', 'on', true);
END $$;
COMMENT ON FUNCTION visible.live_samples IS
    'What was stored after one moment and before another, by stream and time from after a place on, for each who listens
and may see it: its own, and what an agreement opens that allows to follow live and has no floor. The last sample
comes with all who get it. Late rows lie uncompressed beside compressed ones, of which nothing is new.';

CREATE FUNCTION visible.newest_then(of_streams integer[], moment bytea)
RETURNS TABLE (stream integer, "time" timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:live');
    then_ pg_snapshot := fieldlab.snapshot_of(moment);
    since xid[] := ARRAY(SELECT a.xid::text::xid8::xid FROM fieldlab.arrival AS a
                         WHERE a.xid >= pg_snapshot_xmin(then_)::text::bigint
                           AND NOT pg_visible_in_snapshot(a.xid::text::xid8, then_));
BEGIN
    PERFORM set_config('timescaledb.enable_transparent_decompression', 'off', true);
    RETURN QUERY
    SELECT e.stream_id, max(m.time)
    FROM fieldlab.permitted AS e CROSS JOIN LATERAL (
        SELECT n.time FROM fieldlab.measurement AS n
        WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until AND n.xmin <> ALL (since)
        ORDER BY n.time DESC LIMIT 1) AS m
    WHERE e.reader_id = reader AND e.stream_id = ANY (of_streams) AND e.basis <> 'preview'
      AND e.resolution_floor IS NULL
    GROUP BY e.stream_id;
    PERFORM set_config('timescaledb.enable_transparent_decompression', 'on', true);
END $$;
COMMENT ON FUNCTION visible.newest_then IS 'The newest readable time of streams as it was at a moment.';
"""

RIGHTS = """
REVOKE ALL ON FUNCTION fieldlab.note_arrival, fieldlab.forget_arrivals, fieldlab.moment_key, fieldlab.masked,
    fieldlab.opened, fieldlab.snapshot_of, fieldlab.listening, visible.moment, visible.remembers, visible.listeners,
    visible.live_rights, visible.live_samples, visible.newest_then FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fieldlab.note_arrival, fieldlab.forget_arrivals TO fieldlab_gateway;
GRANT EXECUTE ON FUNCTION visible.moment, visible.remembers, visible.listeners, visible.live_rights,
    visible.live_samples, visible.newest_then TO fieldlab_api;
"""

DROP = """
DROP FUNCTION visible.newest_then, visible.live_samples, visible.live_rights, visible.listeners, fieldlab.listening,
    visible.remembers, fieldlab.snapshot_of, fieldlab.opened, visible.moment, fieldlab.masked, fieldlab.moment_key,
    fieldlab.forget_arrivals, fieldlab.note_arrival;
DROP TABLE fieldlab.arrival;
DELETE FROM fieldlab.secret WHERE name = 'moment';
"""


def upgrade() -> None:
    for part in (ARRIVALS, MOMENTS, LISTENERS, RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute(DROP)
