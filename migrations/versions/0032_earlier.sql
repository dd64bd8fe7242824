CREATE OR REPLACE FUNCTION visible.amend_tenures(of_asset text, by_kind text, take_out bigint[], put_in jsonb,
                                      why text DEFAULT '') RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NULL THEN
        RAISE EXCEPTION 'only lab:admin amends tenures' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM fieldlab.amend_tenures(of_asset, by_kind, take_out, put_in, (fieldlab.bound()).principal, why);
END $$;
COMMENT ON FUNCTION visible.amend_tenures IS 'fieldlab.amend_tenures, for whoever administers the lab.';

CREATE OR REPLACE FUNCTION visible.tenure_events(of_asset text, before bigint, at_most integer)
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

CREATE OR REPLACE FUNCTION fieldlab.seen_tenures()
RETURNS TABLE (id bigint, stream integer, asset text, stream_name text, owner text, trial text, start timestamptz,
               until timestamptz, booked boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_participant();
    administers boolean := fieldlab.bound_with('lab:admin') IS NOT NULL;
BEGIN
    RETURN QUERY
    SELECT t.id, t.stream_id, a.slug, s.name, o.slug, r.slug, t.start, t.until, t.booked
    FROM fieldlab.tenure AS t
    JOIN fieldlab.stream AS s ON s.id = t.stream_id
    JOIN fieldlab.asset AS a ON a.id = s.asset_id
    JOIN fieldlab.participant AS o ON o.id = t.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = t.trial_id
    WHERE administers OR t.owner_id = reader;
END $$;
