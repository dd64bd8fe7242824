"""What the gateway keeps beside measurements: how far its spools are written, accounts, discoveries, releases."""

from alembic import op

revision = "0007"
down_revision = "0006"

CREATE = """
ALTER TABLE fieldlab.stream ADD lateness interval CHECK (lateness > interval '0');
COMMENT ON COLUMN fieldlab.stream.lateness IS
    'How long after measuring a live sample may arrive; NULL: the gateway''s bound.';
GRANT SELECT (lateness) ON fieldlab.stream TO fieldlab_gateway;
DROP TRIGGER announce_kind ON fieldlab.stream;
CREATE TRIGGER announce_kind AFTER UPDATE OF kind, asset_id, lateness ON fieldlab.stream
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.announce_bindings();

ALTER TABLE fieldlab.reject
    ADD samples integer NOT NULL DEFAULT 1 CHECK (samples > 0),
    ADD source text NOT NULL DEFAULT '',
    ADD stream_id integer,
    ADD released_at timestamptz,
    ADD released_by text,
    ALTER source_id DROP NOT NULL,
    DROP CONSTRAINT reject_source_id_fkey,
    ADD CONSTRAINT reject_source_id_fkey FOREIGN KEY (source_id) REFERENCES fieldlab.source ON DELETE SET NULL;
COMMENT ON TABLE fieldlab.reject IS
    'Inputs that could not become measurements, with their bytes and the reason; one row for those of one address, one
reason and one batch. source is the slug, which stays when the source is deleted.';

CREATE TABLE fieldlab.spool (
    name text PRIMARY KEY,
    written bigint NOT NULL DEFAULT 0,
    settled_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fieldlab.spool IS
    'Up to which record each gateway''s spool is written; advanced in the transaction that writes it.';

CREATE TABLE fieldlab.account_entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sources integer[] NOT NULL,
    streams integer[] NOT NULL,
    hours integer[] NOT NULL,
    stored integer[] NOT NULL,
    duplicates integer[] NOT NULL,
    rejected integer[] NOT NULL
);
COMMENT ON TABLE fieldlab.account_entry IS
    'What one batch did, one element for a source, stream and hour; folded into account from time to time.';

CREATE TABLE fieldlab.account (
    source_id integer NOT NULL,
    stream_id integer NOT NULL,
    hour integer NOT NULL,
    received bigint NOT NULL,
    stored bigint NOT NULL,
    duplicates bigint NOT NULL,
    rejected bigint NOT NULL,
    PRIMARY KEY (source_id, stream_id, hour),
    CONSTRAINT account_adds_up CHECK (received = stored + duplicates + rejected)
);
COMMENT ON TABLE fieldlab.account IS
    'What became of what a source handed over for a stream (0: for none) in an hour, counted from the Unix epoch.';

CREATE TABLE fieldlab.waiting (
    spool text NOT NULL REFERENCES fieldlab.spool ON DELETE CASCADE,
    source_id integer NOT NULL,
    samples bigint NOT NULL,
    oldest timestamptz,
    reported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (spool, source_id)
);
COMMENT ON TABLE fieldlab.waiting IS 'What each gateway still had in its spool when it last wrote.';

CREATE TABLE fieldlab.discovery (
    source_id integer NOT NULL REFERENCES fieldlab.source ON DELETE CASCADE,
    address text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('number', 'boolean', 'text')),
    value double precision,
    text text,
    samples bigint NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    PRIMARY KEY (source_id, address)
);
COMMENT ON TABLE fieldlab.discovery IS 'An address that was seen before it was bound: what it sends and how often.';

CREATE FUNCTION fieldlab.open_spool(opened text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO fieldlab.spool (name) VALUES (opened) ON CONFLICT DO NOTHING;
    RETURN (SELECT written FROM fieldlab.spool WHERE name = opened);
END $$;
COMMENT ON FUNCTION fieldlab.open_spool IS 'Tells up to which record a spool is written; 0 for a new one.';

CREATE FUNCTION fieldlab.settle(of_spool text, first bigint, last bigint,
    sources integer[], streams integer[], hours integer[], stored integer[], duplicates integer[], rejected integer[],
    waiting_sources integer[], waiting_samples bigint[], waiting_oldest timestamptz[], announced text)
RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE fieldlab.spool SET written = last, settled_at = now() WHERE name = of_spool AND written < first;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'spool % is written beyond record % already', of_spool, first
            USING ERRCODE = 'serialization_failure';
    END IF;
    IF cardinality(sources) > 0 THEN
        INSERT INTO fieldlab.account_entry (sources, streams, hours, stored, duplicates, rejected)
        VALUES (settle.sources, settle.streams, settle.hours, settle.stored, settle.duplicates, settle.rejected);
    END IF;
    INSERT INTO fieldlab.waiting (spool, source_id, samples, oldest)
    SELECT of_spool, w.source, w.samples, w.oldest
    FROM unnest(waiting_sources, waiting_samples, waiting_oldest) AS w (source, samples, oldest)
    ON CONFLICT (spool, source_id) DO UPDATE
    SET samples = excluded.samples, oldest = excluded.oldest, reported_at = excluded.reported_at;
    IF announced IS NOT NULL THEN
        PERFORM pg_notify('fieldlab_measurements', announced);
    END IF;
END $$;
COMMENT ON FUNCTION fieldlab.settle IS
    'Ends a batch: advances its spool, appends to the accounts and announces it; fails if it was written before.';

CREATE FUNCTION fieldlab.fold_accounts() RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    folded integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('fieldlab.fold_accounts', 0)) THEN
        RETURN 0;
    END IF;
    WITH gone AS (DELETE FROM fieldlab.account_entry RETURNING *),
    added AS (
        INSERT INTO fieldlab.account (source_id, stream_id, hour, received, stored, duplicates, rejected)
        SELECT e.source, e.stream, e.hour, sum(e.stored + e.duplicates + e.rejected), sum(e.stored), sum(e.duplicates),
               sum(e.rejected)
        FROM gone, unnest(gone.sources, gone.streams, gone.hours, gone.stored, gone.duplicates, gone.rejected)
            AS e (source, stream, hour, stored, duplicates, rejected)
        GROUP BY e.source, e.stream, e.hour
        ON CONFLICT (source_id, stream_id, hour) DO UPDATE
        SET received = account.received + excluded.received, stored = account.stored + excluded.stored,
            duplicates = account.duplicates + excluded.duplicates, rejected = account.rejected + excluded.rejected)
    SELECT count(*) INTO folded FROM gone;
    RETURN folded;
END $$;
COMMENT ON FUNCTION fieldlab.fold_accounts IS 'Adds the entries of batches to the accounts; gives how many there were.';

CREATE FUNCTION fieldlab.note_discoveries(sources integer[], addresses text[], kinds text[], numbers double precision[],
    texts text[], counts integer[], since timestamptz[], seen timestamptz[], most integer)
RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE fieldlab.discovery AS d
    SET kind = n.kind, value = n.number, text = n.text, samples = d.samples + n.samples,
        last_seen = greatest(d.last_seen, n.seen)
    FROM unnest(sources, addresses, kinds, numbers, texts, counts, since, seen)
        AS n (source, address, kind, number, text, samples, since, seen)
    WHERE d.source_id = n.source AND d.address = n.address;
    INSERT INTO fieldlab.discovery (source_id, address, kind, value, text, samples, first_seen, last_seen)
    SELECT n.source, n.address, n.kind, n.number, n.text, n.samples, n.since, n.seen
    FROM unnest(sources, addresses, kinds, numbers, texts, counts, since, seen)
        AS n (source, address, kind, number, text, samples, since, seen)
    JOIN fieldlab.source AS s ON s.id = n.source
    WHERE (SELECT count(*) FROM fieldlab.discovery AS d WHERE d.source_id = n.source) < most
    ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION fieldlab.note_discoveries IS
    'Notes what unbound addresses sent; a source with so many discoveries gets no more.';

CREATE FUNCTION fieldlab.release(released bigint, releasing text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found fieldlab.reject;
    bound record;
    added integer;
BEGIN
    SELECT * INTO found FROM fieldlab.reject WHERE id = released FOR UPDATE;
    IF found.id IS NULL OR found.released_at IS NOT NULL
       OR found.reason NOT IN ('too_far_in_future', 'too_late', 'unbound') THEN
        RAISE EXCEPTION 'no quarantined reject has the number %', released USING ERRCODE = 'no_data_found';
    END IF;
    SELECT b.stream_id, s.kind INTO bound
    FROM fieldlab.binding AS b JOIN fieldlab.stream AS s ON s.id = b.stream_id
    WHERE b.source_id = found.source_id AND b.address = found.address;
    IF bound IS NULL THEN
        RAISE EXCEPTION 'no stream is bound to the address of reject %; bind it first', released
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF EXISTS (SELECT FROM string_to_table(convert_from(found.raw, 'UTF8'), E'\\n') AS line
               WHERE (bound.kind = 'text') <> (jsonb_typeof(line::jsonb -> 'value') IS NOT DISTINCT FROM 'string')
                 AND jsonb_typeof(line::jsonb -> 'value') <> 'null') THEN
        RAISE EXCEPTION 'the samples of reject % do not fit a stream of kind %', released, bound.kind
            USING ERRCODE = 'datatype_mismatch';
    END IF;
    INSERT INTO fieldlab.measurement (stream_id, status, origin, time, value, text)
    SELECT bound.stream_id,
           ((sample ->> 'status')::integer + 32768) % 65536 - 32768,
           (sample ->> 'origin')::smallint,
           (sample ->> 'time')::timestamptz,
           coalesce((sample ->> 'number')::double precision,
                    CASE jsonb_typeof(sample -> 'value') WHEN 'number' THEN (sample ->> 'value')::double precision END),
           CASE jsonb_typeof(sample -> 'value') WHEN 'string' THEN sample ->> 'value' END
    FROM string_to_table(convert_from(found.raw, 'UTF8'), E'\\n') AS line, CAST(line AS jsonb) AS sample
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    UPDATE fieldlab.reject SET released_at = now(), released_by = releasing WHERE id = released;
    INSERT INTO fieldlab.account_entry (sources, streams, hours, stored, duplicates, rejected)
    SELECT ARRAY[source, source], ARRAY[coalesce(found.stream_id, 0), bound.stream_id], ARRAY[hour, hour],
           ARRAY[0, added], ARRAY[0, found.samples - added], ARRAY[-found.samples, 0]
    FROM (VALUES (found.source_id, floor(extract(epoch FROM found.received_at) / 3600)::integer)) AS at (source, hour);
    RETURN added;
END $$;
COMMENT ON FUNCTION fieldlab.release IS
    'Stores the samples of a quarantined reject after all; gives how many of them were not stored yet.';

CREATE FUNCTION visible.release_reject(released bigint) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NULL THEN
        RAISE EXCEPTION 'only lab:admin releases rejects' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN fieldlab.release(released, (fieldlab.bound()).principal);
END $$;
COMMENT ON FUNCTION visible.release_reject IS 'Stores the samples of a quarantined reject after all.';

CREATE FUNCTION fieldlab.seen_accounts()
RETURNS TABLE (source text, stream integer, asset text, stream_name text, day date, received bigint, stored bigint,
               duplicates bigint, rejected bigint, waiting bigint, oldest_waiting timestamptz, reported_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    administers boolean := fieldlab.bound_with('lab:admin') IS NOT NULL;
BEGIN
    RETURN QUERY
    WITH counted AS (
        SELECT a.source_id, a.stream_id, a.hour, a.stored, a.duplicates, a.rejected FROM fieldlab.account AS a
        UNION ALL
        SELECT e.source, e.stream, e.hour, e.stored, e.duplicates, e.rejected
        FROM fieldlab.account_entry AS j,
             unnest(j.sources, j.streams, j.hours, j.stored, j.duplicates, j.rejected)
                 AS e (source, stream, hour, stored, duplicates, rejected)),
    concerning AS (
        SELECT c.* FROM counted AS c
        WHERE administers OR EXISTS (
            SELECT FROM fieldlab.entitlement AS t
            WHERE t.reader_id = reader AND t.stream_id = c.stream_id
              AND t.start <= to_timestamp(c.hour * 3600.0) AND t.until >= to_timestamp((c.hour + 1) * 3600.0)))
    SELECT s.slug, nullif(c.stream_id, 0), m.slug, t.name, (to_timestamp(c.hour * 3600.0) AT TIME ZONE 'UTC')::date,
           sum(c.stored + c.duplicates + c.rejected)::bigint, sum(c.stored)::bigint, sum(c.duplicates)::bigint,
           sum(c.rejected)::bigint, 0::bigint, NULL::timestamptz, NULL::timestamptz
    FROM concerning AS c
    LEFT JOIN fieldlab.source AS s ON s.id = c.source_id
    LEFT JOIN fieldlab.stream AS t ON t.id = c.stream_id
    LEFT JOIN fieldlab.asset AS m ON m.id = t.asset_id
    GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT s.slug, NULL, NULL, NULL, (w.reported_at AT TIME ZONE 'UTC')::date, w.samples, 0, 0, 0, w.samples, w.oldest,
           w.reported_at
    FROM fieldlab.waiting AS w LEFT JOIN fieldlab.source AS s ON s.id = w.source_id
    WHERE administers AND w.samples > 0;
END $$;
CREATE VIEW visible.account WITH (security_barrier) AS SELECT * FROM fieldlab.seen_accounts();
COMMENT ON VIEW visible.account IS
    'For each source, stream and day: received = stored + duplicates + rejected + waiting. What waits is not bound yet
and stands in a row without stream. A participant sees the hours that lie wholly in its own tenures; days are those of
measuring for what is stored or a duplicate, of receipt for what was rejected or waits.';

CREATE FUNCTION fieldlab.seen_discoveries()
RETURNS TABLE (source text, address text, kind text, value double precision, text text, samples bigint,
               per_second double precision, first_seen timestamptz, last_seen timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NOT NULL THEN
        RETURN QUERY
        SELECT s.slug, d.address, d.kind, d.value, d.text, d.samples,
               (d.samples - 1) / nullif(extract(epoch FROM d.last_seen - d.first_seen), 0)::double precision,
               d.first_seen, d.last_seen
        FROM fieldlab.discovery AS d JOIN fieldlab.source AS s ON s.id = d.source_id
        WHERE NOT EXISTS (SELECT FROM fieldlab.binding AS b
                          WHERE b.source_id = d.source_id AND b.address = d.address);
    END IF;
END $$;
CREATE VIEW visible.discovery WITH (security_barrier) AS SELECT * FROM fieldlab.seen_discoveries();
COMMENT ON VIEW visible.discovery IS 'Addresses that no stream is bound to, for whoever administers the lab.';

CREATE FUNCTION fieldlab.seen_rejects()
RETURNS TABLE (id bigint, source text, address text, stream integer, reason text, detail text, samples integer,
               received_at timestamptz, "time" timestamptz, raw bytea, released_at timestamptz, released_by text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    administers boolean := fieldlab.bound_with('lab:admin') IS NOT NULL;
BEGIN
    RETURN QUERY
    SELECT r.id, r.source, r.address, r.stream_id, r.reason, r.detail, r.samples, r.received_at, r.time,
           CASE WHEN own.it THEN r.raw END, r.released_at, r.released_by
    FROM fieldlab.reject AS r
    CROSS JOIN LATERAL (SELECT EXISTS (
        SELECT FROM fieldlab.entitlement AS t
        WHERE t.reader_id = reader AND t.stream_id = r.stream_id
          AND coalesce(r.time, r.received_at) >= t.start AND coalesce(r.time, r.received_at) < t.until
          AND NOT EXISTS (
              SELECT FROM string_to_table(CASE WHEN r.samples > 1 THEN encode(r.raw, 'escape') END, E'\\n') AS line,
                          CAST(substring(line FROM '^{"time": "([0-9TZ:.-]+)"') AS timestamptz) AS measured
              WHERE measured IS NULL OR measured < t.start OR measured >= t.until))) AS own (it)
    WHERE administers OR own.it;
END $$;
CREATE VIEW visible.reject WITH (security_barrier) AS SELECT * FROM fieldlab.seen_rejects();
COMMENT ON VIEW visible.reject IS
    'What could not become a measurement. The bytes are shown to whoever had the stream at the time of all samples, or
when they arrived where no time could be read; whoever administers the lab sees the reasons of all.';

COMMENT ON FUNCTION fieldlab.seen_accounts IS 'Stands behind visible.account, so that no plan shows the rest.';
COMMENT ON FUNCTION fieldlab.seen_discoveries IS 'Stands behind visible.discovery, so that no plan shows the rest.';
COMMENT ON FUNCTION fieldlab.seen_rejects IS 'Stands behind visible.reject, so that no plan shows the rest.';

REVOKE ALL ON FUNCTION fieldlab.open_spool, fieldlab.settle, fieldlab.fold_accounts, fieldlab.note_discoveries,
    fieldlab.release, fieldlab.seen_accounts, fieldlab.seen_discoveries, fieldlab.seen_rejects, visible.release_reject
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fieldlab.open_spool, fieldlab.settle, fieldlab.fold_accounts, fieldlab.note_discoveries
    TO fieldlab_gateway;
GRANT EXECUTE ON FUNCTION visible.release_reject TO fieldlab_api;
GRANT EXECUTE ON FUNCTION fieldlab.seen_accounts, fieldlab.seen_discoveries, fieldlab.seen_rejects TO fieldlab_api;
GRANT SELECT ON visible.account, visible.discovery, visible.reject TO fieldlab_api;
"""

DROP = """
DROP VIEW visible.account, visible.discovery, visible.reject;
DROP FUNCTION visible.release_reject, fieldlab.seen_accounts, fieldlab.seen_discoveries, fieldlab.seen_rejects,
    fieldlab.release, fieldlab.note_discoveries, fieldlab.fold_accounts, fieldlab.settle, fieldlab.open_spool;
DROP TABLE fieldlab.discovery, fieldlab.waiting, fieldlab.account, fieldlab.account_entry, fieldlab.spool;
DELETE FROM fieldlab.reject WHERE source_id IS NULL;
ALTER TABLE fieldlab.reject
    DROP samples, DROP source, DROP stream_id, DROP released_at, DROP released_by,
    ALTER source_id SET NOT NULL,
    DROP CONSTRAINT reject_source_id_fkey,
    ADD CONSTRAINT reject_source_id_fkey FOREIGN KEY (source_id) REFERENCES fieldlab.source;
DROP TRIGGER announce_kind ON fieldlab.stream;
CREATE TRIGGER announce_kind AFTER UPDATE OF kind, asset_id ON fieldlab.stream
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.announce_bindings();
REVOKE SELECT (lateness) ON fieldlab.stream FROM fieldlab_gateway;
ALTER TABLE fieldlab.stream DROP lateness;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)
