CREATE FUNCTION visible.amend_tenures(of_asset text, by_kind text, take_out bigint[], put_in jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    amended integer := (SELECT id FROM fieldlab.asset WHERE slug = of_asset);
    before jsonb;
    after jsonb;
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NULL THEN
        RAISE EXCEPTION 'only lab:admin amends tenures' USING ERRCODE = 'insufficient_privilege';
    END IF;
    WITH gone AS (
        DELETE FROM fieldlab.tenure AS t USING fieldlab.stream AS s
        WHERE t.id = ANY (take_out) AND s.id = t.stream_id AND s.asset_id = amended
        RETURNING t.stream_id, t.owner_id, t.trial_id, t.start, t.until, t.booked)
    SELECT coalesce(jsonb_agg(to_jsonb(gone)), '[]') INTO before FROM gone;
    IF jsonb_array_length(before) IS DISTINCT FROM cardinality(take_out) THEN
        RAISE EXCEPTION 'the tenures have changed since they were read' USING ERRCODE = 'serialization_failure';
    END IF;
    IF by_kind = 'hand_over' AND before @? '$[*] ? (@.booked == true)' THEN
        RAISE EXCEPTION 'a hand-over takes nothing that is booked' USING ERRCODE = 'exclusion_violation';
    END IF;
    INSERT INTO fieldlab.trial (slug, participant_id)
    SELECT DISTINCT row.trial, p.id
    FROM jsonb_to_recordset(put_in) AS row (owner text, trial text) JOIN fieldlab.participant AS p ON p.slug = row.owner
    WHERE row.trial IS NOT NULL
    ON CONFLICT (slug) DO NOTHING;
    IF EXISTS (SELECT FROM jsonb_to_recordset(put_in) AS row (owner text, trial text)
               JOIN fieldlab.participant AS p ON p.slug = row.owner
               JOIN fieldlab.trial AS r ON r.slug = row.trial AND r.participant_id <> p.id) THEN
        RAISE EXCEPTION 'that trial belongs to another participant' USING ERRCODE = 'unique_violation';
    END IF;
    WITH new AS (
        INSERT INTO fieldlab.tenure (stream_id, owner_id, trial_id, start, until, booked)
        SELECT s.id, p.id, r.id, row.start, row.until, row.booked
        FROM jsonb_to_recordset(put_in)
            AS row (stream integer, owner text, trial text, start timestamptz, until timestamptz, booked boolean)
        JOIN fieldlab.stream AS s ON s.id = row.stream AND s.asset_id = amended
        JOIN fieldlab.participant AS p ON p.slug = row.owner
        LEFT JOIN fieldlab.trial AS r ON r.slug = row.trial
        RETURNING stream_id, owner_id, trial_id, start, until, booked)
    SELECT coalesce(jsonb_agg(to_jsonb(new)), '[]') INTO after FROM new;
    IF jsonb_array_length(after) <> jsonb_array_length(put_in) THEN
        RAISE EXCEPTION 'a stream of another asset, or an unknown participant'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    INSERT INTO fieldlab.tenure_event (asset_id, principal, kind, removed, added)
    SELECT amended, (fieldlab.bound()).principal, by_kind, before, after;
END $$;
COMMENT ON FUNCTION visible.amend_tenures IS
    'Replaces tenures of one asset and appends the event; the constraints refuse a hole or an overlap at commit.';
REVOKE ALL ON FUNCTION visible.amend_tenures FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.amend_tenures TO fieldlab_api;

CREATE OR REPLACE FUNCTION fieldlab.open_timeline() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO fieldlab.tenure (stream_id, owner_id, trial_id, start, until, booked)
    SELECT NEW.id, owner_id, trial_id, start, until, booked FROM fieldlab.tenure
    WHERE stream_id = (SELECT min(id) FROM fieldlab.stream WHERE asset_id = NEW.asset_id AND id <> NEW.id);
    IF NOT FOUND THEN
        INSERT INTO fieldlab.tenure (stream_id, owner_id, start, until, booked)
        SELECT NEW.id, home_owner_id, '-infinity', 'infinity', false FROM fieldlab.asset WHERE id = NEW.asset_id;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION fieldlab.open_timeline IS
    'Gives a new stream to whoever has its asset: as the other streams of the asset, or else to the home owner.';
