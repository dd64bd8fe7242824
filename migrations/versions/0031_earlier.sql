CREATE FUNCTION fieldlab.note_discoveries(sources integer[], addresses text[], kinds text[], numbers double precision[],
    texts text[], counts integer[], since timestamptz[], seen timestamptz[], units text[], most integer)
RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE fieldlab.discovery AS d
    SET kind = CASE WHEN n.samples = 0 AND d.samples > 0
                         OR d.kind = 'boolean' AND n.kind = 'number' AND n.number IN (0, 1) THEN d.kind
                    ELSE n.kind END,
        value = CASE WHEN n.samples > 0 THEN n.number ELSE d.value END,
        text = CASE WHEN n.samples > 0 THEN n.text ELSE d.text END,
        samples = d.samples + n.samples, unit = coalesce(n.unit, d.unit),
        first_seen = CASE WHEN d.samples > 0 THEN d.first_seen ELSE n.since END,
        last_seen = greatest(d.last_seen, n.seen)
    FROM unnest(sources, addresses, kinds, numbers, texts, counts, since, seen, units)
        AS n (source, address, kind, number, text, samples, since, seen, unit)
    WHERE d.source_id = n.source AND d.address = n.address;
    INSERT INTO fieldlab.discovery (source_id, address, kind, value, text, samples, first_seen, last_seen, unit)
    SELECT n.source, n.address, n.kind, n.number, n.text, n.samples, n.since, n.seen, n.unit
    FROM unnest(sources, addresses, kinds, numbers, texts, counts, since, seen, units)
        AS n (source, address, kind, number, text, samples, since, seen, unit)
    JOIN fieldlab.source AS s ON s.id = n.source
    WHERE (SELECT count(*) FROM fieldlab.discovery AS d WHERE d.source_id = n.source) < most
    ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION fieldlab.note_discoveries IS
    'Notes what unbound addresses sent, or what their source says of them; a source with so many gets no more.';

CREATE FUNCTION fieldlab.seen_discoveries()
RETURNS TABLE (source text, address text, kind text, unit text, value double precision, text text, samples bigint,
               per_second double precision, first_seen timestamptz, last_seen timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NOT NULL THEN
        RETURN QUERY
        SELECT s.slug, d.address, d.kind, d.unit, d.value, d.text, d.samples,
               CASE WHEN d.samples > 1 THEN (d.samples - 1)
                    / nullif(extract(epoch FROM d.last_seen - d.first_seen), 0)::double precision END,
               d.first_seen, d.last_seen
        FROM fieldlab.discovery AS d JOIN fieldlab.source AS s ON s.id = d.source_id
        WHERE NOT EXISTS (SELECT FROM fieldlab.binding AS b
                          WHERE b.source_id = d.source_id AND b.address = d.address);
    END IF;
END $$;
CREATE VIEW visible.discovery WITH (security_barrier) AS SELECT * FROM fieldlab.seen_discoveries();
COMMENT ON VIEW visible.discovery IS 'Addresses that no stream is bound to, for whoever administers the lab.';
COMMENT ON FUNCTION fieldlab.seen_discoveries IS 'Stands behind visible.discovery, so that no plan shows the rest.';
REVOKE ALL ON FUNCTION fieldlab.note_discoveries, fieldlab.seen_discoveries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fieldlab.note_discoveries TO fieldlab_gateway;
GRANT EXECUTE ON FUNCTION fieldlab.seen_discoveries TO fieldlab_api;
GRANT SELECT ON visible.discovery TO fieldlab_api;

CREATE OR REPLACE FUNCTION visible.plug_in(sources jsonb, streams jsonb, bindings jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entered bigint;
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NULL THEN
        RAISE EXCEPTION 'only lab:admin plugs in' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('fieldlab.declare', 0));
    INSERT INTO fieldlab.source AS s (slug, wire, url, options)
    SELECT n.slug, n.wire, n.url, n.options
    FROM jsonb_to_recordset(sources) AS n (slug text, wire text, url text, options jsonb)
    ON CONFLICT (slug) DO UPDATE SET url = excluded.url, options = excluded.options WHERE s.wire = excluded.wire;
    GET DIAGNOSTICS entered = ROW_COUNT;
    IF entered <> jsonb_array_length(sources) THEN
        RAISE EXCEPTION 'the wire of a source cannot change' USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO fieldlab.stream (asset_id, name, kind, unit)
    SELECT a.id, n.name, n.kind, n.unit
    FROM jsonb_to_recordset(streams) AS n (asset text, name text, kind text, unit text)
    JOIN fieldlab.asset AS a ON a.slug = n.asset;
    GET DIAGNOSTICS entered = ROW_COUNT;
    IF entered <> jsonb_array_length(streams) THEN
        RAISE EXCEPTION 'an asset is gone since it was read' USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO fieldlab.binding (source_id, address, stream_id)
    SELECT q.id, n.address, s.id
    FROM jsonb_to_recordset(bindings) AS n (source text, address text, asset text, name text)
    JOIN fieldlab.source AS q ON q.slug = n.source
    JOIN fieldlab.asset AS a ON a.slug = n.asset
    JOIN fieldlab.stream AS s ON s.asset_id = a.id AND s.name = n.name;
    GET DIAGNOSTICS entered = ROW_COUNT;
    IF entered <> jsonb_array_length(bindings) THEN
        RAISE EXCEPTION 'a source or stream is gone since it was read' USING ERRCODE = 'serialization_failure';
    END IF;
END $$;
COMMENT ON FUNCTION visible.plug_in IS
    'Enters sources, or changes where they lead, and enters streams and bindings that were not there.';
