CREATE OR REPLACE FUNCTION visible.bind(presented bytea)
 RETURNS TABLE(participant text, principal text, permissions text[], key uuid, expires_at timestamp with time zone, decided_at timestamp with time zone)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    found fieldlab.credential;
BEGIN
    SELECT * INTO found FROM fieldlab.credential AS c
    WHERE c.digest = sha256(presented) AND c.revoked_at IS NULL AND c.expires_at > clock_timestamp();
    IF found.id IS NULL THEN
        SELECT c.* INTO found FROM fieldlab.export AS x JOIN fieldlab.credential AS c ON c.id = x.credential_id
        WHERE x.ticket = sha256(presented) AND x.state IN ('queued', 'running') AND x.expires_at > clock_timestamp()
          AND c.revoked_at IS NULL AND c.expires_at > clock_timestamp();
    END IF;
    IF found.id IS NULL THEN
        PERFORM set_config('fieldlab.binding', '', true);
        RETURN;
    END IF;
    PERFORM set_config('fieldlab.binding',
                       found.id::text || ' ' || encode(fieldlab.binding_mark(found.id), 'hex'), true);
    RETURN QUERY SELECT p.slug, found.principal, found.permissions, found.id, found.expires_at,
                        transaction_timestamp()
                 FROM fieldlab.participant AS p WHERE p.id = found.participant_id;
END $function$
;
COMMENT ON FUNCTION visible.bind(bytea) IS 'Binds this transaction to the participant whose credential is presented; no row, and no right, if it is void.';

CREATE OR REPLACE FUNCTION fieldlab.binding_mark(credential_id uuid)
 RETURNS bytea
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    RETURN (SELECT sha256(value || sha256(value || convert_to(
                credential_id::text || pg_backend_pid() || extract(epoch FROM transaction_timestamp()), 'UTF8')))
            FROM fieldlab.secret WHERE name = 'binding');
END $function$
;
COMMENT ON FUNCTION fieldlab.binding_mark(uuid) IS 'Marks a binding of this very transaction; without the secret nobody can make one, in another it is void.';

CREATE OR REPLACE FUNCTION fieldlab.bound()
 RETURNS fieldlab.credential
 LANGUAGE plpgsql
 STABLE PARALLEL RESTRICTED SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
DECLARE
    binding text := current_setting('fieldlab.binding', true);
    found fieldlab.credential;
BEGIN
    IF binding IS NULL OR binding !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} [0-9a-f]{64}$' THEN
        RETURN NULL;
    END IF;
    IF fieldlab.binding_mark(left(binding, 36)::uuid) <> decode(right(binding, 64), 'hex') THEN
        RETURN NULL;
    END IF;
    SELECT * INTO found FROM fieldlab.credential
    WHERE id = left(binding, 36)::uuid AND revoked_at IS NULL AND expires_at > clock_timestamp();
    RETURN found;
END $function$
;
COMMENT ON FUNCTION fieldlab.bound() IS 'The credential this transaction is bound to, or NULL: unbound, forged, left over, revoked or expired.';

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
END $function$
;
COMMENT ON FUNCTION visible.note_access(uuid,text,jsonb,text,integer[],bigint[],timestamp with time zone[],timestamp with time zone[],uuid[],bigint[]) IS 'Writes the entry of a request, in the name of whom the transaction is bound to, with one place in each array a
segment, and names it to the transaction. Each segment lies within its tenure, whose owner is found here (what is
followed live may have been cut since). Without counts the answer is running and ends with end_accesses.';

CREATE OR REPLACE FUNCTION visible.own_latest(presented bytea, ids uuid[], assets text[], names text[], entry uuid, asked jsonb, stated text)
 RETURNS TABLE(decided_at timestamp with time zone, streams text, keys integer[], tenures bigint[], owners text[], trials text[], times timestamp with time zone[], readings double precision[], texts text[], statuses smallint[], origins smallint[])
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_column
DECLARE
    held record;
    reader integer;
BEGIN
    SELECT * INTO held FROM visible.decision(presented, ids, assets, names, NULL, '-infinity', 'infinity', NULL);
    reader := fieldlab.bound_with('data:read');
    IF reader IS NULL OR cardinality(array_remove(held.right_agreements, NULL)) > 0
       OR json_array_length(held.streams::json) <> cardinality(ids) + cardinality(assets) THEN
        RETURN;
    END IF;
    decided_at := held.decided_at;
    streams := held.streams;
    SELECT array_agg(l.stream), array_agg(l.tenure), array_agg(l.owner), array_agg(l.trial), array_agg(l.time),
           array_agg(l.value), array_agg(l.text), array_agg(l.status), array_agg(l.origin)
    INTO keys, tenures, owners, trials, times, readings, texts, statuses, origins
    FROM fieldlab.latest_of(reader, ARRAY(SELECT DISTINCT r FROM unnest(held.right_streams) AS r)) AS l;
    PERFORM visible.note_access(
        entry, 'latest',
        asked || jsonb_build_object('streams', (SELECT jsonb_agg((s ->> 2) || '.' || (s ->> 3))
                                                FROM json_array_elements(held.streams::json) AS s)),
        stated, coalesce(held.right_streams, '{}'), coalesce(held.right_tenures, '{}'),
        coalesce(held.right_starts, '{}'), coalesce(held.right_untils, '{}'), NULL,
        ARRAY(SELECT coalesce(t = ANY (tenures), false)::integer::bigint FROM unnest(held.right_tenures) AS t));
    RETURN NEXT;
END $function$
;
COMMENT ON FUNCTION visible.own_latest(bytea,uuid[],text[],text[],uuid,jsonb,text) IS 'The newest sample of each of these streams (by ids, by pairs of asset and name), where all of them are there for
the reader and nothing of them is open to it under an agreement: binds, decides as visible.decision does, notes the
access with the rows that it gives, and reads, at one moment in a transaction that sees one. In any other case no row,
and nothing is noted: ask visible.decision, which tells why.';

REVOKE ALL ON FUNCTION fieldlab.binding_mark(uuid), visible.own_latest FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.own_latest TO fieldlab_api;
