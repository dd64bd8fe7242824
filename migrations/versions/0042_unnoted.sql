CREATE OR REPLACE FUNCTION visible.in_force(of_streams integer[], at timestamp with time zone, good_only boolean DEFAULT false, under uuid[] DEFAULT '{}'::uuid[])
 RETURNS TABLE(stream integer, tenure bigint, owner text, trial text, basis text, "time" timestamp with time zone, value double precision, text text, status smallint, origin smallint, agreement uuid)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
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
        ORDER BY m.time DESC, array_position(under, e.agreement_id) LIMIT 1) AS l
    JOIN fieldlab.participant AS o ON o.id = l.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id
    ORDER BY wanted.place;
END $function$;

CREATE OR REPLACE FUNCTION visible.latest(of_streams integer[], under uuid[] DEFAULT '{}'::uuid[])
 RETURNS TABLE(stream integer, tenure bigint, owner text, trial text, basis text, "time" timestamp with time zone, value double precision, text text, status smallint, origin smallint, agreement uuid)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    IF coalesce(cardinality(under), 0) = 0 THEN
        RETURN QUERY
        SELECT l.stream_id, l.tenure_id, o.slug, r.slug, l.basis, l.time, l.value, l.text, l.status, l.origin,
               NULL::uuid
        FROM unnest(of_streams) AS wanted CROSS JOIN LATERAL (
            SELECT e.stream_id, e.tenure_id, e.owner_id, e.trial_id, e.basis, m.time, m.value, m.text, m.status,
                   m.origin
            FROM fieldlab.entitlement AS e CROSS JOIN LATERAL (
                SELECT * FROM fieldlab.measurement AS n
                WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
                ORDER BY n.time DESC LIMIT 1) AS m
            WHERE e.reader_id = reader AND e.stream_id = wanted
            ORDER BY e.start DESC LIMIT 1) AS l
        JOIN fieldlab.participant AS o ON o.id = l.owner_id
        LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT l.stream_id, l.tenure_id, o.slug, r.slug, l.basis, l.time, l.value, l.text, l.status, l.origin,
           l.agreement_id
    FROM unnest(of_streams) AS wanted CROSS JOIN LATERAL (
        SELECT e.stream_id, e.tenure_id, e.owner_id, e.trial_id, e.basis, e.agreement_id, m.time, m.value, m.text,
               m.status, m.origin
        FROM fieldlab.permitted AS e CROSS JOIN LATERAL (
            SELECT * FROM fieldlab.measurement AS n
            WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
            ORDER BY n.time DESC LIMIT 1) AS m
        WHERE e.reader_id = reader AND e.stream_id = wanted AND e.resolution_floor IS NULL
          AND (e.basis = 'own' OR e.agreement_id = ANY (under))
        ORDER BY m.time DESC, array_position(under, e.agreement_id) LIMIT 1) AS l
    JOIN fieldlab.participant AS o ON o.id = l.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id;
END $function$;

CREATE OR REPLACE FUNCTION visible.note_access(of uuid, of_kind text, asked jsonb, stated text, of_streams integer[], of_tenures bigint[], since timestamp with time zone[], before timestamp with time zone[], under uuid[], counts bigint[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    reader fieldlab.credential := fieldlab.bound();
    owned_by integer[];
BEGIN
    IF reader.id IS NULL THEN
        RAISE EXCEPTION 'nobody is bound' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF cardinality(of_tenures) = 1 THEN
        owned_by := ARRAY[(SELECT t.owner_id FROM fieldlab.tenure AS t WHERE t.id = of_tenures[1])];
    ELSE
        owned_by := ARRAY(SELECT t.owner_id FROM unnest(of_tenures) WITH ORDINALITY AS s (id, place)
                          LEFT JOIN fieldlab.tenure AS t ON t.id = s.id ORDER BY s.place);
    END IF;
    INSERT INTO fieldlab.access (id, participant_id, credential_id, principal, kind, question, purpose, running,
                                 streams, tenures, owners, starts, untils, agreements, rows)
    VALUES (of, reader.participant_id, reader.id, reader.principal, of_kind, asked, left(stated, 200), counts IS NULL,
            of_streams, of_tenures, owned_by, since, before, under, counts);
    INSERT INTO fieldlab.ledger_waiting (kind, access_id) VALUES ('access', of);
END $function$;

CREATE OR REPLACE FUNCTION visible.packed_samples(numbers integer[], streams integer[], starts timestamp with time zone[], untils timestamp with time zone[], under uuid[], good_only boolean, with_text boolean, at_most integer)
 RETURNS TABLE(number integer, held boolean, samples integer, times bytea, readings bytea, marks bytea, texts text[])
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    wanted bigint := at_most;
    permitted_until timestamptz;
BEGIN
    FOR place IN 1 .. coalesce(cardinality(numbers), 0) LOOP
        number := numbers[place];
        permitted_until := fieldlab.held_until(reader, streams[place], starts[place], under[place], true);
        held := coalesce(permitted_until >= least(untils[place], now()), false);
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
                AND n.time < least(untils[place], permitted_until) AND (n.status = 0 OR NOT good_only)
              ORDER BY n.time LIMIT wanted) AS m;
        RETURN NEXT;
        wanted := wanted - samples;
        EXIT WHEN wanted <= 0;
    END LOOP;
END $function$;

CREATE OR REPLACE FUNCTION fieldlab.held(reader integer, numbers integer[], streams integer[], tenures bigint[], starts timestamp with time zone[], untils timestamp with time zone[], under uuid[])
 RETURNS TABLE(place bigint, number integer, stream integer, start timestamp with time zone, until timestamp with time zone, reach timestamp with time zone, resolution_floor bigint, minimum_samples integer, allowed text[])
 LANGUAGE sql
 STABLE ROWS 100
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    SELECT s.place, s.number, s.stream, greatest(e.start, s.start), least(e.until, s.until), e.start,
           e.resolution_floor, e.minimum_samples, e.aggregates
    FROM unnest(numbers, streams, tenures, starts, untils) WITH ORDINALITY
        AS s (number, stream, tenure, start, until, place)
    JOIN fieldlab.permitted AS e ON e.reader_id = reader AND e.tenure_id = s.tenure AND e.stream_id = s.stream
        AND e.agreement_id IS NOT DISTINCT FROM under[s.place]
    WHERE greatest(e.start, s.start) < least(e.until, s.until)
$function$;

CREATE OR REPLACE FUNCTION visible.samples(of_stream integer, since timestamp with time zone, before timestamp with time zone, at_most integer, good_only boolean DEFAULT false, under uuid DEFAULT NULL::uuid)
 RETURNS TABLE(tenure bigint, "time" timestamp with time zone, value double precision, text text, status smallint, origin smallint)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER ROWS 10000
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    right_held record;
    found bigint;
    wanted bigint := at_most;
BEGIN
    FOR right_held IN
        SELECT e.tenure_id, greatest(e.start, since) AS start, least(e.until, before) AS until
        FROM fieldlab.permitted AS e
        WHERE e.reader_id = reader AND e.stream_id = of_stream AND e.start < before AND e.until > since
          AND e.agreement_id IS NOT DISTINCT FROM under AND e.resolution_floor IS NULL
        ORDER BY e.start
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
END $function$;
