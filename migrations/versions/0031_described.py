"""Discoveries say what their sources say of them, and streams that are made of them keep it."""

from pathlib import Path

from alembic import op

revision = "0031"
down_revision = "0030"

DESCRIBED = """
ALTER TABLE fieldlab.discovery ADD quantity text, ADD description text, ADD semantic_id text,
    ADD low double precision, ADD high double precision;
COMMENT ON TABLE fieldlab.discovery IS
    'An address that was seen before it was bound: what it sends, how often, and what its source says of it.';

DROP FUNCTION fieldlab.note_discoveries;
CREATE FUNCTION fieldlab.note_discoveries(sources integer[], addresses text[], kinds text[], numbers double precision[],
    texts text[], counts integer[], since timestamptz[], seen timestamptz[], units text[], quantities text[],
    descriptions text[], semantic_ids text[], lows double precision[], highs double precision[], most integer)
RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE fieldlab.discovery AS d
    SET kind = CASE WHEN n.samples = 0 AND d.samples > 0
                         OR d.kind = 'boolean' AND n.kind = 'number' AND n.number IN (0, 1) THEN d.kind
                    ELSE n.kind END,
        value = CASE WHEN n.samples > 0 THEN n.number ELSE d.value END,
        text = CASE WHEN n.samples > 0 THEN n.text ELSE d.text END,
        samples = d.samples + n.samples, unit = coalesce(n.unit, d.unit), quantity = coalesce(n.quantity, d.quantity),
        description = coalesce(n.description, d.description), semantic_id = coalesce(n.semantic_id, d.semantic_id),
        low = coalesce(n.low, d.low), high = coalesce(n.high, d.high),
        first_seen = CASE WHEN d.samples > 0 THEN d.first_seen ELSE n.since END,
        last_seen = greatest(d.last_seen, n.seen)
    FROM unnest(sources, addresses, kinds, numbers, texts, counts, since, seen, units, quantities, descriptions,
                semantic_ids, lows, highs)
        AS n (source, address, kind, number, text, samples, since, seen, unit, quantity, description, semantic_id,
              low, high)
    WHERE d.source_id = n.source AND d.address = n.address;
    INSERT INTO fieldlab.discovery (source_id, address, kind, value, text, samples, first_seen, last_seen, unit,
                                    quantity, description, semantic_id, low, high)
    SELECT n.source, n.address, n.kind, n.number, n.text, n.samples, n.since, n.seen, n.unit, n.quantity,
           n.description, n.semantic_id, n.low, n.high
    FROM unnest(sources, addresses, kinds, numbers, texts, counts, since, seen, units, quantities, descriptions,
                semantic_ids, lows, highs)
        AS n (source, address, kind, number, text, samples, since, seen, unit, quantity, description, semantic_id,
              low, high)
    JOIN fieldlab.source AS s ON s.id = n.source
    WHERE (SELECT count(*) FROM fieldlab.discovery AS d WHERE d.source_id = n.source) < most
    ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION fieldlab.note_discoveries IS
    'Notes what unbound addresses sent, or what their source says of them; a source with so many gets no more.';

DROP VIEW visible.discovery;
DROP FUNCTION fieldlab.seen_discoveries;
CREATE FUNCTION fieldlab.seen_discoveries()
RETURNS TABLE (source text, address text, kind text, unit text, quantity text, description text, semantic_id text,
               low double precision, high double precision, value double precision, text text, samples bigint,
               per_second double precision, first_seen timestamptz, last_seen timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NOT NULL THEN
        RETURN QUERY
        SELECT s.slug, d.address, d.kind, d.unit, d.quantity, d.description, d.semantic_id, d.low, d.high,
               d.value, d.text, d.samples,
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
    INSERT INTO fieldlab.stream (asset_id, name, kind, unit, quantity, semantic_id, description, low, high)
    SELECT a.id, n.name, n.kind, n.unit, coalesce(n.quantity, ''), n.semantic_id, coalesce(n.description, ''), n.low,
           n.high
    FROM jsonb_to_recordset(streams) AS n (asset text, name text, kind text, unit text, quantity text,
        semantic_id text, description text, low double precision, high double precision)
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
"""

DROP = """
DROP VIEW visible.discovery;
DROP FUNCTION fieldlab.seen_discoveries, fieldlab.note_discoveries;
ALTER TABLE fieldlab.discovery DROP quantity, DROP description, DROP semantic_id, DROP low, DROP high;
COMMENT ON TABLE fieldlab.discovery IS
    'An address that was seen before it was bound: what it sends, how often, and the unit that its source tells.';
"""


def upgrade() -> None:
    op.execute(DESCRIBED)


def downgrade() -> None:
    op.execute(DROP)
    op.execute(Path(__file__).with_name("0031_earlier.sql").read_text())
