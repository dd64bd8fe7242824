CREATE OR REPLACE FUNCTION fieldlab.note_arrival(streams integer[], starts timestamptz[], untils timestamptz[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO fieldlab.arrival (xid, streams, starts, untils)
    VALUES (pg_current_xact_id()::text::bigint, streams, starts, untils)
$$;

CREATE OR REPLACE FUNCTION fieldlab.release(released bigint, releasing text) RETURNS integer
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
    IF EXISTS (SELECT FROM string_to_table(convert_from(found.raw, 'UTF8'), E'\n') AS line
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
    FROM string_to_table(convert_from(found.raw, 'UTF8'), E'\n') AS line, CAST(line AS jsonb) AS sample
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    UPDATE fieldlab.reject SET released_at = now(), released_by = releasing WHERE id = released;
    INSERT INTO fieldlab.account_entry (sources, streams, hours, stored, duplicates, rejected)
    SELECT ARRAY[source, source], ARRAY[coalesce(found.stream_id, 0), bound.stream_id], ARRAY[hour, hour],
           ARRAY[0, added], ARRAY[0, found.samples - added], ARRAY[-found.samples, 0]
    FROM (VALUES (found.source_id, floor(extract(epoch FROM found.received_at) / 3600)::integer)) AS at (source, hour);
    RETURN added;
END $$;
